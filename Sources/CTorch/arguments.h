#pragma once
#include "CTorch.h"
#include "hints.h"
#include <string>
#include <torch/script.h>
#include <vector>

namespace ctorch {

/// Where one of a run's tensors goes.
struct Place {
  size_t argument = 0;
  /// Of a dictionary; else empty. Lists and tuples take theirs in order.
  std::string key;
};

/// What a model's `forward` takes, and what becomes of the tensors of a run.
class Arguments {
 public:
  /// - `uses`: as `first_uses` has them; empty where nothing is known.
  Arguments(const torch::jit::Module &module, const std::vector<std::vector<TensorUse>> &uses);

  const std::vector<ct_argument> &all() const { return described_; }
  /// What is known of each argument's tensor, or of those of a tuple.
  const std::vector<std::vector<ct_hint>> &hints() const { return hints_; }
  /// Why answers of that type cannot be given; empty where they can.
  const std::string &answer_problem() const { return answer_problem_; }

  /// Says where the tensors of a run go; before, each argument takes one. Throws where an argument that is needed gets
  /// none, or one gets what it cannot take.
  void place(std::vector<Place> places);
  size_t place_count() const { return places_.size(); }

  /// The arguments of a call, in order. `tensors` has one for each place; an undefined one was left out, and the
  /// argument is then its default.
  std::vector<c10::IValue> values(const std::vector<at::Tensor> &tensors) const;

 private:
  c10::IValue value(size_t argument, const std::vector<at::Tensor> &tensors, const std::vector<size_t> &own) const;

  const c10::FunctionSchema *schema_;
  std::vector<std::string> types_;
  std::vector<ct_argument> described_;
  std::vector<std::vector<ct_hint>> hints_;
  std::string answer_problem_;
  std::vector<Place> places_;
  /// Places of each argument.
  std::vector<std::vector<size_t>> places_of_;
};

}  // namespace ctorch
