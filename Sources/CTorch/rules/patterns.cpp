#include "patterns.h"

#include <torch/csrc/jit/ir/constants.h>

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

bool nothing_writes_between(const Node *first, const Node *last, const Node *except) {
  if (first->owningBlock() != last->owningBlock()) return false;
  for (const Node *node = first->next(); node != last; node = node->next()) {
    if (node == except) continue;
    if (node->kind() == c10::prim::Return || !node->blocks().empty()) return false;
    const auto *schema = node->maybeSchema();
    if (schema != nullptr && schema->is_mutable()) return false;
    const bool is_known = schema != nullptr || node->kind() == c10::prim::GetAttr ||
                          node->kind() == c10::prim::Constant || node->kind() == c10::prim::ListConstruct ||
                          node->kind() == c10::prim::TupleConstruct || node->kind() == c10::prim::ListUnpack ||
                          node->kind() == c10::prim::TupleUnpack;
    if (!is_known) return false;
  }
  return true;
}

bool is_read_once(const Value *value) { return value->uses().size() == 1; }

bool is_tensor(const Value *value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }

bool is_tensor_attribute(const Value *value) { return is_tensor(value) && !path_of(value).empty(); }

Value *widened_attribute(Value *value) {
  Node *to = producer(value, "aten::to");
  if (to == nullptr || to->inputs().size() < 2 || !is_constant_int(to->input(1), kFloat32)) return nullptr;
  return is_tensor_attribute(to->input(0)) ? to->input(0) : nullptr;
}

c10::optional<NarrowWeight> narrow_weight(Value *value) {
  Node *product = producer(value, "aten::mul");
  const bool has_scales = product != nullptr && product->inputs().size() == 2;
  if (has_scales && !is_tensor_attribute(product->input(1))) return {};
  Value *values = widened_attribute(has_scales ? product->input(0) : value);
  if (values == nullptr) return {};
  for (const Precision &one : precisions()) {
    if (one.has_scales == has_scales) return NarrowWeight{values, has_scales ? product->input(1) : nullptr, &one};
  }
  return {};
}

Node *plain_sum(const Value *value) {
  for (const char *kind : {"aten::add", "aten::add_"}) {
    Node *sum = producer(value, kind);
    if (sum != nullptr && sum->inputs().size() == 3 && is_constant_int(sum->input(2), 1) && is_read_once(value) &&
        is_tensor(sum->input(0)) && is_tensor(sum->input(1)))
      return sum;
  }
  return nullptr;
}

Value *constant(Node *before, const c10::IValue &value) {
  torch::jit::WithInsertPoint guard(before);
  return before->owningGraph()->insertConstant(value);
}

}  // namespace ctorch::rules
