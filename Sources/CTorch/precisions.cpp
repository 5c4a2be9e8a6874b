// The table of narrow precisions. See precisions.h.
#include "precisions.h"

#include <stdexcept>

namespace ctorch {

namespace {

at::Tensor to_bfloat16(const at::Tensor &weight, const at::Tensor &) { return weight.to(at::kBFloat16); }

/// Symmetric, a scale for each output; rows of zeros stay zeros.
at::Tensor int8_scales(const at::Tensor &weight) {
  return (weight.abs().amax({1}, true) / 127.0).clamp_min(1e-12);
}

at::Tensor to_int8(const at::Tensor &weight, const at::Tensor &scales) {
  return at::round(weight / scales).clamp(-127, 127).to(at::kChar);
}

}  // namespace

const std::vector<Precision> &precisions() {
  static const std::vector<Precision> all{
      {CT_PRECISION_BF16, WeightKind::kBFloat16, at::kBFloat16, "planner::linear_bfloat16", "_bf16", false,
       to_bfloat16, nullptr},
      {CT_PRECISION_INT8, WeightKind::kInt8, at::kChar, "planner::linear_int8", "_int8", true, to_int8, int8_scales},
  };
  return all;
}

const Precision *find_precision(ct_precision name) {
  for (const Precision &one : precisions()) {
    if (one.name == name) return &one;
  }
  return nullptr;
}

const Precision &precision_of(WeightKind kind) {
  for (const Precision &one : precisions()) {
    if (one.kind == kind) return one;
  }
  throw std::logic_error("a kind of weights is missing from the table of precisions");
}

}  // namespace ctorch
