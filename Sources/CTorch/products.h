#pragma once
#include "weight_kind.h"
#include <cstdint>
#include <memory>

namespace ctorch {

/// Weights of one linear layer in a kernel's own order.
struct PackedWeight {
  WeightKind kind = WeightKind::kInt8;
  int64_t outputs = 0, inputs = 0;
  size_t byte_count = 0;
  /// 64-byte aligned; freed with the object.
  void *bytes = nullptr;
  /// Of each output's codes: what a zero point of the activations adds. int8 only.
  std::unique_ptr<int32_t[]> sums;

  PackedWeight() = default;
  PackedWeight(const PackedWeight &) = delete;
  PackedWeight &operator=(const PackedWeight &) = delete;
  ~PackedWeight();
};

/// Rows multiplied at once: other numbers are split and padded, so that a layer needs few compiled kernels.
constexpr int64_t kRowBlock = 128;
int64_t padded_rows(int64_t rows);

/// Largest code of an activation whose products this processor sums without loss.
int32_t activation_levels();

bool can_multiply(WeightKind kind, int64_t outputs, int64_t inputs);
/// From row-major weights [outputs, inputs]. Null where it cannot be done.
std::unique_ptr<PackedWeight> pack_weight(const void *weights, WeightKind kind, int64_t outputs, int64_t inputs);
/// `sums[rows, outputs] = codes[rows, inputs] · weightᵀ`; rows is one of `padded_rows`. Codes are bytes and sums int32
/// for int8 weights; bfloat16 and float32 for bfloat16 ones.
void multiply_packed(const PackedWeight &weight, const void *codes, int64_t rows, void *sums);

}  // namespace ctorch
