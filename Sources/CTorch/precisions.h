#pragma once
#include "CTorch.h"
#include "weight_kind.h"
#include <ATen/ATen.h>
#include <vector>

namespace ctorch {

/// A precision in which the weights of linear layers are narrower than float32. What conversion, rewriting, packing and
/// the registered operators need to know of it is here; how its products are computed is in linear.cpp and
/// products.cpp.
struct Precision {
  ct_precision name;
  WeightKind kind;
  at::ScalarType element;
  /// The operator of a linear layer with such weights.
  const char *layer;
  /// Ends the names of attributes in a converted module.
  const char *suffix;
  /// Whether widened weights are multiplied by a float32 number for each output.
  bool has_scales;
  /// Weights of float32 [outputs, inputs] in this precision; `scales` [outputs, 1] are undefined where it has none.
  at::Tensor (*narrow)(const at::Tensor &weight, const at::Tensor &scales);
  /// The scales of such weights; null where it has none.
  at::Tensor (*scales)(const at::Tensor &weight);
};

/// The operator of a linear layer with weights of float32.
constexpr char kFloat32Layer[] = "planner::linear_float32";

/// Every narrow precision.
const std::vector<Precision> &precisions();
/// Null for float32 and for what is no precision.
const Precision *find_precision(ct_precision name);
const Precision &precision_of(WeightKind kind);

}  // namespace ctorch
