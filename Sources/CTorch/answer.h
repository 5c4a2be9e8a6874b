#pragma once
#include "CTorch.h"
#include <string>
#include <torch/script.h>
#include <vector>

/// One answer's tensors, on the host.
struct ct_result {
  std::vector<at::Tensor> storage;
  std::vector<ct_tensor> tensors;
  /// What the model calls each; empty where it does not say.
  std::vector<std::string> names;
  /// How many were None so far: those that follow are named by their places.
  size_t left_out = 0;
};

namespace ctorch {

/// Adds the tensors and numbers of what `forward` returned, in order, through tuples, lists and dictionaries. A number
/// becomes a tensor of one element, None nothing.
///
/// - `type`: what the code says that it returns: names of a tuple's fields stand there.
/// Throws where a value is no tensor of the interface.
void collect(ct_result &result, const c10::IValue &value, const c10::TypePtr &type);

}  // namespace ctorch
