#include "patterns.h"
#include "rules.h"

#include "../precisions.h"

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

void linear(Node *node) {
  NarrowWeight weight;
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
