#pragma once
#include "graph.h"
#include <cstdint>
#include <vector>

namespace ctorch {

/// A size of one of the module's weights, times a factor and by a divisor; or a number that stands in the code.
struct WeightSize {
  AttributePath weight;
  int64_t dimension = 0;
  int64_t factor = 1;
  int64_t divisor = 1;
  /// Which tensor, where the attribute is a list of them.
  size_t element = 0;

  bool is_known() const { return !weight.empty() || dimension > 0; }
};

/// What the elements of a tensor are for. The later ones say more.
enum class Role {
  kValues,
  /// What is, or is not, to be looked at.
  kTruths,
  /// Whole numbers that choose among elements.
  kPlaces,
  /// How long each row is, or where it starts, in another tensor.
  kLengths,
  kStarts,
  /// Rows of an embedding.
  kIds,
};

/// What code does first with a tensor that `forward` takes, for all models of the code: sizes are those of each model's
/// own weights.
struct TensorUse {
  Role role = Role::kValues;
  /// What ids choose rows of; their number is the size.
  WeightSize rows;
  /// Number of dimensions, where only one will do; else 0. And the largest one that the code asks for.
  int64_t dimension_count = 0, asked_dimension_count = 0;
  /// Which dimension counts the rows of a batch; of lengths, which one they measure.
  int64_t row_dimension = 0, measured_dimension = 0;
  /// Size of the dimensions at 0 and 1, and of the last one.
  WeightSize first, second, last;
  /// Has the type that the tensor must have.
  WeightSize like;
};

/// The same of one model, in numbers; 0 is not known.
struct TensorHint {
  Role role = Role::kValues;
  int64_t rows = 0, dimension_count = 0, asked_dimension_count = 0, row_dimension = 0, measured_dimension = 0;
  int64_t first = 0, second = 0, last = 0;
  c10::optional<at::ScalarType> type;
};

/// What `forward` does first with each of its arguments, without the module itself: of a tuple with each of its parts,
/// of others with the one tensor. Hints alone: whoever uses them tries whether they hold.
std::vector<std::vector<TensorUse>> first_uses(const torch::jit::Module &module);

TensorHint resolve(const TensorUse &use, const torch::jit::Module &module);

}  // namespace ctorch
