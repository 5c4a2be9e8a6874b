// Reading and changing graphs: what rewriting (rewrite.cpp) and conversion (convert.cpp) share.
#include "graph.h"

#include <algorithm>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace ctorch {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

bool is_object(const Value *value) { return value->type()->cast<c10::ClassType>() != nullptr; }

/// Objects may only be read from.
bool only_reads_objects(const Block *block) {
  for (const Node *node : block->nodes()) {
    if (node->kind() == c10::prim::SetAttr) return false;
    for (const Value *input : node->inputs()) {
      const bool is_module = is_object(input) && input->type()->expect<c10::ClassType>()->is_module();
      if (is_module && node->kind() != c10::prim::GetAttr) return false;
    }
    for (const Block *inner : node->blocks()) {
      if (!only_reads_objects(inner)) return false;
    }
  }
  for (const Value *output : block->outputs()) {
    if (is_object(output)) return false;
  }
  return true;
}

void drop_dropout(Block *block) {
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node *node = *it++;
    for (Block *inner : node->blocks()) drop_dropout(inner);
    if (node->kind() != Symbol::fromQualString("aten::dropout") || node->inputs().size() != 3) continue;
    const auto is_training = torch::jit::toIValue(node->input(2));
    if (is_training && is_training->isBool() && !is_training->toBool()) replace(node, node->input(0));
  }
}

}  // namespace

std::shared_ptr<Graph> flat_forward(const torch::jit::Module &module) {
  auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  torch::jit::EliminateDeadCode(graph);
  if (!only_reads_objects(graph->block())) return nullptr;
  drop_dropout(graph->block());
  return graph;
}

AttributePath path_of(const Value *value) {
  AttributePath path;
  const Value *at = value;
  while (at->node()->kind() == c10::prim::GetAttr) {
    path.insert(path.begin(), at->node()->s(c10::attr::name));
    at = at->node()->input();
  }
  const bool is_module_itself = at->node()->kind() == c10::prim::Param && at == at->owningGraph()->inputs().at(0);
  return is_module_itself ? path : AttributePath{};
}

c10::IValue attribute_at(const torch::jit::Module &module, const AttributePath &path) {
  c10::IValue value = module._ivalue();
  for (const std::string &name : path) value = value.toObject()->getAttr(name);
  return value;
}

Node *producer(const Value *value, const char *kind) {
  return value->node()->kind() == Symbol::fromQualString(kind) ? const_cast<Node *>(value->node()) : nullptr;
}

c10::optional<double> constant_number(const Value *value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant) return {};
  if (constant->isDouble()) return constant->toDouble();
  if (constant->isInt()) return static_cast<double>(constant->toInt());
  if (constant->isTensor() && constant->toTensor().defined() && constant->toTensor().dim() == 0)
    return constant->toTensor().item<double>();
  return {};
}

c10::optional<std::vector<int64_t>> constant_ints(const Value *value) {
  if (const auto whole = torch::jit::constant_as<c10::List<int64_t>>(value)) return whole->vec();
  if (value->node()->kind() != c10::prim::ListConstruct) return {};
  std::vector<int64_t> numbers;
  for (const Value *element : value->node()->inputs()) {
    const auto number = torch::jit::constant_as<int64_t>(element);
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

bool is_constant_int(const Value *value, int64_t expected) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isInt() && constant->toInt() == expected;
}

bool is_none(const Value *value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isNone();
}

void replace(Node *old, Value *by) {
  old->output()->replaceAllUsesWith(by);
  std::vector<Node *> candidates{old};
  while (!candidates.empty()) {
    Node *node = candidates.back();
    candidates.pop_back();
    if (node->hasUses() || !node->blocks().empty() || node->kind() == c10::prim::Param) continue;
    std::vector<Node *> producers;
    for (Value *input : node->inputs()) {
      if (std::find(producers.begin(), producers.end(), input->node()) == producers.end())
        producers.push_back(input->node());
    }
    node->destroy();
    // Constants and reads of attributes are cheap and few kinds of nodes have no other effect.
    for (Node *one : producers) {
      const bool is_pure = one->kind() != c10::prim::Param && one->maybeOperator() != nullptr &&
                           !one->hasSideEffects() && !one->getOperator().schema().is_mutable();
      const bool is_removable = is_pure || one->kind() == c10::prim::GetAttr || one->kind() == c10::prim::Constant ||
                                one->kind() == c10::prim::ListConstruct;
      // Once, however many of its readers are gone: a second visit would find it removed.
      if (is_removable && std::find(candidates.begin(), candidates.end(), one) == candidates.end())
        candidates.push_back(one);
    }
  }
}

Value *insert(Node *before, const char *kind, std::vector<Value *> inputs) {
  Node *node = before->owningGraph()->create(Symbol::fromQualString(kind), inputs);
  node->insertBefore(before);
  node->output()->setType(c10::TensorType::get());
  return node->output();
}

}  // namespace ctorch
