#pragma once
#include "graph.h"
#include <cstdint>
#include <vector>

namespace ctorch {

/// A size of one of the module's weights, times a factor; or a number that stands in the code.
struct WeightSize {
  AttributePath weight;
  int64_t dimension = 0;
  int64_t factor = 1;

  bool is_known() const { return !weight.empty() || dimension > 0; }
};

/// What code does first with a tensor that `forward` takes, for all models of the code: sizes are those of each model's
/// own weights.
struct TensorUse {
  /// Its elements choose rows of this weight; their number is the size.
  WeightSize rows;
  /// Number of dimensions, where only one will do; else 0.
  int64_t dimension_count = 0;
  /// Size of the dimension at 1, and of the last one.
  WeightSize second, last;
};

/// The same of one model, in numbers; 0 is not known.
struct TensorHint {
  bool is_index = false;
  int64_t rows = 0, dimension_count = 0, second = 0, last = 0;
};

/// What `forward` does first with each of its arguments, without the module itself. Hints alone: whoever uses them
/// tries whether they hold.
std::vector<TensorUse> first_uses(const torch::jit::Module &module);

TensorHint resolve(const TensorUse &use, const torch::jit::Module &module);

}  // namespace ctorch
