#pragma once
#include "graph.h"
#include "weight_kind.h"

#include <set>

namespace ctorch {

/// A weight that only rewritten linear layers read.
struct PackableWeight {
  AttributePath path;
  WeightKind kind;
  /// What int8 codes are multiplied by, in any of these layers.
  std::set<AttributePath> scales;
};

/// What a model's `forward` is run as.
struct RewrittenForward {
  std::shared_ptr<torch::jit::Graph> graph;
  std::vector<PackableWeight> weights;
};

/// `forward` with the parts of encoders replaced by operators that do each in one pass (ops.h, linear.h), by the rules
/// of rules/rules.h. Answers are those of the original up to rounding. The graph is null where the module is left as it
/// is.
RewrittenForward rewrite_forward(const torch::jit::Module &module);

}  // namespace ctorch
