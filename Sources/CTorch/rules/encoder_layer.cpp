#include "patterns.h"
#include "rules.h"

#include "../precisions.h"
#include <algorithm>

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

void encoder_layer(Node *node) {
  if (node->inputs().size() != 20) return;
  std::vector<Value *> inputs = node->inputs().vec(), scales;
  size_t narrow = 0;
  for (const size_t operand : kEncoderWeights) {
    const auto weight = narrow_weight(inputs[operand]);
    narrow += weight ? 1 : 0;
    if (weight) inputs[operand] = weight->values;
    scales.push_back(weight && weight->scales != nullptr ? weight->scales : constant(node, c10::IValue()));
  }
  // Conversion narrows all of them or none.
  if (narrow != 0 && narrow != std::size(kEncoderWeights)) return;
  inputs.insert(inputs.end(), scales.begin(), scales.end());
  inputs.push_back(constant(node, narrow != 0));
  replace(node, insert(node, "planner::encoder_layer", inputs));
}

}  // namespace ctorch::rules
