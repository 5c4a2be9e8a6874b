#include "patterns.h"
#include "rules.h"

#include <torch/csrc/jit/ir/constants.h>

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

void fused_attention(Node *node) {
  Value *const mask = node->input(3), *const is_causal = node->input(5);
  const auto grouped = torch::jit::constant_as<bool>(node->input(7));
  if (constant_number(node->input(4)) != 0.0 || !torch::jit::constant_as<bool>(is_causal) || !grouped || *grouped)
    return;
  Value *added = mask;
  if (is_tensor(mask)) {
    // Layers share a mask, and identical nodes become one.
    added = insert(node, "planner::additive_mask", {mask});
  } else if (!is_none(mask)) {
    return;
  }
  Value *turned = insert(node, "aten::transpose", {node->input(1), constant(node, -2), constant(node, -1)});
  replace(node, insert(node, "planner::attention",
                       {node->input(0), turned, node->input(2), added, node->input(6), is_causal,
                        constant(node, true)}));
}

}  // namespace ctorch::rules
