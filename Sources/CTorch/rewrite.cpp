// Rewriting a model's graph when it is loaded: files stay plain TorchScript that any libtorch runs.
#include "rewrite.h"
#include "precisions.h"
#include "rules/rules.h"

#include <map>
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

namespace {

/// In this order: later rules start from what earlier ones made.
constexpr rules::Rule kRules[] = {
    {"aten::linear", rules::linear},
    {"aten::gelu", rules::gelu},
    {"aten::layer_norm", rules::embedding},
    {"aten::layer_norm", rules::normalization},
    {"aten::Int", rules::traced_number},
    {"aten::matmul", rules::attention},
    {"aten::scaled_dot_product_attention", rules::fused_attention},
    {"planner::attention", rules::heads},
};

/// Offers a rule every node that its pattern may end in, in the order of the graph.
void apply(const rules::Rule &rule, Graph &graph) {
  std::vector<Node *> found;
  for (Node *node : graph.block()->nodes()) {
    if (node->kind() == Symbol::fromQualString(rule.ends_in)) found.push_back(node);
  }
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

/// Collects the narrow weights that rewritten layers read, and those that something else reads as well.
void collect(const Block *block, std::map<AttributePath, PackableWeight> &wanted, std::set<AttributePath> &refused) {
  for (const Node *node : block->nodes()) {
    for (const Block *inner : node->blocks()) collect(inner, wanted, refused);
    if (node->kind() != c10::prim::GetAttr) continue;
    const AttributePath path = path_of(node->output());
    for (const auto &use : node->output()->uses()) {
      const Precision *precision = nullptr;
      for (const Precision &one : precisions()) {
        if (use.user->kind() == Symbol::fromQualString(one.layer) && use.offset == 1) precision = &one;
      }
      if (precision != nullptr) {
        PackableWeight &weight = wanted.emplace(path, PackableWeight{path, precision->kind, {}}).first->second;
        if (weight.kind != precision->kind) refused.insert(path);
        if (!precision->has_scales) continue;
        const AttributePath scales = path_of(use.user->input(2));
        if (scales.empty()) refused.insert(path);
        weight.scales.insert(scales);
      } else if (use.user->kind() != c10::prim::GetAttr) {
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
