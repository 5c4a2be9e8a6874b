#include "patterns.h"
#include "rules.h"

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

Value *list(Node *before, const std::vector<Value *> &tensors) {
  torch::jit::WithInsertPoint guard(before);
  auto *graph = before->owningGraph();
  return graph->insertNode(graph->createList(c10::TensorType::get(), tensors))->output();
}

/// The summands of a chain of additions, in order. One of the additions may be in place.
struct Summands {
  std::vector<Value *> parts;
  Node *in_place = nullptr;
};

c10::optional<Summands> summands_of(Value *value) {
  Summands found;
  while (Node *sum = plain_sum(value)) {
    if (sum->kind() == Symbol::fromQualString("aten::add_")) {
      if (found.in_place != nullptr) return {};
      found.in_place = sum;
    }
    found.parts.insert(found.parts.begin(), sum->input(1));
    value = sum->input(0);
  }
  found.parts.insert(found.parts.begin(), value);
  return found;
}

}  // namespace

void embedding(Node *norm) {
  if (!is_tensor_attribute(norm->input(2)) || !is_tensor_attribute(norm->input(3))) return;
  const auto sum = summands_of(norm->input(0));
  if (!sum) return;
  std::vector<Value *> tables, ids;
  Node *first = norm;
  Value *more = nullptr;
  for (Value *part : sum->parts) {
    // What is no look-up comes last, and alone.
    if (more != nullptr) return;
    Node *lookup = producer(part, "aten::embedding");
    if (lookup == nullptr || !is_read_once(part) || !is_tensor_attribute(lookup->input(0))) {
      more = part;
      continue;
    }
    tables.push_back(lookup->input(0));
    ids.push_back(lookup->input(1));
    if (lookup->owningBlock() != norm->owningBlock()) return;
    if (lookup->isBefore(first)) first = lookup;
  }
  // An addition in place writes to what a look-up or an addition has just made, which nothing else reads.
  if (tables.empty() || sum->parts.size() < 2 || !nothing_writes_between(first, norm, sum->in_place)) return;
  if (more == nullptr) more = constant(norm, c10::IValue());
  replace(norm, insert(norm, "planner::embed_normalize",
                       {list(norm, tables), list(norm, ids), more, norm->input(1), norm->input(2), norm->input(3),
                        norm->input(4)}));
}

}  // namespace ctorch::rules
