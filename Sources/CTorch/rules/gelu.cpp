#include "patterns.h"
#include "rules.h"

#include "../precisions.h"
#include <torch/csrc/jit/ir/constants.h>

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

namespace {

bool is_false(const Value *value) {
  const auto flag = torch::jit::toIValue(value);
  return flag && flag->isBool() && !flag->toBool();
}

}  // namespace

void gelu(Node *node) {
  if (node->inputs().size() != 2) return;
  const auto form = torch::jit::toIValue(node->input(1));
  if (!form || !form->isString() || form->toStringRef() != "none" || !is_read_once(node->input(0))) return;
  Value *before = node->input(0);
  if (!nothing_writes_between(before->node(), node)) return;
  std::vector<const char *> layers{kFloat32Layer};
  for (const Precision &one : precisions()) layers.push_back(one.layer);
  for (const char *kind : layers) {
    Node *layer = producer(before, kind);
    // Where the flag is set, its output has been through the function already.
    if (layer == nullptr || !is_false(layer->inputs().back())) continue;
    std::vector<Value *> inputs = layer->inputs().vec();
    inputs.back() = constant(node, true);
    replace(node, insert(node, kind, inputs));
    return;
  }
}

}  // namespace ctorch::rules
