#include "patterns.h"
#include "rules.h"

#include "../precisions.h"

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

namespace {

/// A weight as a layer reads it: narrow where it has a precision, with scales where that has them.
struct Weight {
  Value *values = nullptr, *scales = nullptr;
  const Precision *precision = nullptr;
};

/// The narrow weight that `value` widens and perhaps scales; nothing where it does something else.
c10::optional<Weight> narrow_weight(Value *value) {
  Node *product = producer(value, "aten::mul");
  const bool has_scales = product != nullptr && product->inputs().size() == 2;
  if (has_scales && !is_tensor_attribute(product->input(1))) return {};
  Value *values = widened_attribute(has_scales ? product->input(0) : value);
  if (values == nullptr) return {};
  // The code does not tell of elements: what follows here is only which form it has.
  for (const Precision &one : precisions()) {
    if (one.has_scales == has_scales) return Weight{values, has_scales ? product->input(1) : nullptr, &one};
  }
  return {};
}

}  // namespace

void linear(Node *node) {
  Weight weight;
  if (is_tensor_attribute(node->input(1))) {
    weight.values = node->input(1);
  } else if (const auto narrow = narrow_weight(node->input(1))) {
    weight = *narrow;
  } else {
    return;
  }
  std::vector<Value *> inputs{node->input(0), weight.values};
  if (weight.scales != nullptr) inputs.push_back(weight.scales);
  inputs.push_back(node->input(2));
  inputs.push_back(constant(node, false));
  const char *layer = weight.precision == nullptr ? kFloat32Layer : weight.precision->layer;
  replace(node, insert(node, layer, inputs));
}

}  // namespace ctorch::rules
