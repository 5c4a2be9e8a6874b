// Rewriting a model's graph when it is loaded: files stay plain TorchScript that any libtorch runs.
#include "rewrite.h"
#include "precisions.h"
#include "rules/rules.h"

#include <iterator>
#include <map>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

namespace ctorch {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

/// In this order: later rules start from what earlier ones made.
constexpr rules::Rule kRules[] = {
    {"aten::linear", rules::linear, true},
    {"aten::gelu", rules::gelu},
    {"aten::layer_norm", rules::embedding},
    {"aten::layer_norm", rules::normalization},
    {"aten::Int", rules::traced_number},
    {"aten::matmul", rules::attention},
    {"aten::scaled_dot_product_attention", rules::fused_attention},
    {"planner::attention", rules::heads},
    {"aten::_transformer_encoder_layer_fwd", rules::encoder_layer, true},
};

void find(Block *block, Symbol kind, bool reaches_into_blocks, std::vector<Node *> &found) {
  for (Node *node : block->nodes()) {
    if (node->kind() == kind) found.push_back(node);
    for (Block *inner : node->blocks()) {
      if (reaches_into_blocks) find(inner, kind, true, found);
    }
  }
}

/// Offers a rule every node that its pattern may end in, in the order of the graph.
void apply(const rules::Rule &rule, Graph &graph) {
  std::vector<Node *> found;
  find(graph.block(), Symbol::fromQualString(rule.ends_in), rule.reaches_into_blocks, found);
  for (Node *node : found) rule.apply(node);
}

/// What the library's executor would do as well.
void tidy(std::shared_ptr<Graph> &graph) {
  torch::jit::runRequiredPasses(graph);
  torch::jit::ConstantPropagation(graph);
  torch::jit::PeepholeOptimize(graph);
  torch::jit::EliminateCommonSubexpression(graph);
  torch::jit::ConstantPooling(graph);
  torch::jit::EliminateDeadCode(graph);
}

/// A narrow weight as an operator reads it.
struct Reading {
  const Precision *precision = nullptr;
  /// Null where the precision has none.
  const Value *scales = nullptr;
};

/// How the operator reads a narrow weight as its operand `offset`; nothing where it reads anything else there.
c10::optional<Reading> narrow_reading(const Node *reader, size_t offset) {
  for (const Precision &one : precisions()) {
    if (reader->kind() == Symbol::fromQualString(one.layer) && offset == 1)
      return Reading{&one, one.has_scales ? reader->input(2) : nullptr};
  }
  if (reader->kind() != Symbol::fromQualString("planner::encoder_layer")) return {};
  const auto is_narrow = torch::jit::constant_as<bool>(reader->inputs().back());
  for (size_t i = 0; i < std::size(rules::kEncoderWeights); i++) {
    if (offset != rules::kEncoderWeights[i] || !is_narrow || !*is_narrow) continue;
    const Value *scales = reader->input(20 + i);
    for (const Precision &one : precisions()) {
      if (one.has_scales != is_none(scales)) return Reading{&one, one.has_scales ? scales : nullptr};
    }
  }
  return {};
}

/// Whether a node asks of an attribute what a packed weight answers like any other.
bool reads_no_elements(const Node *reader) {
  return reader->kind() == c10::prim::GetAttr || reader->kind() == c10::prim::device ||
         reader->kind() == c10::prim::requires_grad;
}

/// Collects the narrow weights that rewritten layers read, and those that something else reads as well.
void collect(const Block *block, std::map<AttributePath, PackableWeight> &wanted, std::set<AttributePath> &refused) {
  for (const Node *node : block->nodes()) {
    for (const Block *inner : node->blocks()) collect(inner, wanted, refused);
    if (node->kind() != c10::prim::GetAttr) continue;
    const AttributePath path = path_of(node->output());
    for (const auto &use : node->output()->uses()) {
      if (const auto reading = narrow_reading(use.user, use.offset)) {
        const WeightKind kind = reading->precision->kind;
        PackableWeight &weight = wanted.emplace(path, PackableWeight{path, kind, {}}).first->second;
        if (weight.kind != kind) refused.insert(path);
        if (reading->scales == nullptr) continue;
        const AttributePath scales = path_of(reading->scales);
        if (scales.empty()) refused.insert(path);
        weight.scales.insert(scales);
      } else if (!reads_no_elements(use.user)) {
        refused.insert(path);
      }
    }
  }
}

/// Weights that nothing reads but the rewritten layers, by whatever path.
std::vector<PackableWeight> packable(const Graph &graph) {
  std::map<AttributePath, PackableWeight> wanted;
  std::set<AttributePath> refused;
  collect(graph.block(), wanted, refused);
  std::vector<PackableWeight> found;
  for (const auto &one : wanted) {
    if (refused.count(one.first) == 0) found.push_back(one.second);
  }
  return found;
}

}  // namespace

RewrittenForward rewrite_forward(const torch::jit::Module &module) {
  auto graph = flat_forward(module);
  if (graph == nullptr) return {};
  for (const rules::Rule &rule : kRules) apply(rule, *graph);
  tidy(graph);
  graph->lint();
  return {graph, packable(*graph)};
}

}  // namespace ctorch
