#pragma once
#include <cstdint>

namespace ctorch {

/// Row-wise float32 work of a forward pass, written once and compiled for each instruction set that is worth it.
///
/// Rows are dense; `count` is a row's length. Nothing is assumed of its alignment or divisibility.
struct Kernels {
  /// Floats that the processor computes with at once.
  int lanes;
  /// Asymmetric quantization of a row: `value ≈ scale · (code − zero)`, codes 0 … `levels`.
  void (*quantize)(const float *row, int64_t count, int32_t levels, uint8_t *codes, float *scale, int32_t *zero);
  /// `out = scale · weight_scales · (sums − zero · weight_sums) + bias`, then GELU where asked. `bias` may be null.
  void (*dequantize)(const int32_t *sums, int64_t count, float scale, int32_t zero, const float *weight_scales,
                     const int32_t *weight_sums, const float *bias, bool gelu, float *out);
  /// `out = row + bias`, then GELU where asked. `bias` may be null, and `out` may be `row`.
  void (*finish)(const float *row, int64_t count, const float *bias, bool gelu, float *out);
  /// Rounds to the nearest bfloat16, ties to even.
  void (*to_bfloat16)(const float *row, int64_t count, uint16_t *out);
  /// Normalizes the sum of two rows: `gamma · (v − mean) / √(variance + epsilon) + beta`, `v = a + b`.
  void (*add_normalize)(const float *a, const float *b, int64_t count, const float *gamma, const float *beta,
                        float epsilon, float *out);
  /// Softmax of `scale · row + mask` in place. `mask` may be null.
  void (*softmax)(float *row, int64_t count, float scale, const float *mask);
  /// Dense product `out[rows, columns] = a[rows, inner] · b[inner, columns]`; strides are between rows.
  void (*multiply)(const float *a, int64_t a_stride, const float *b, int64_t b_stride, int64_t rows, int64_t inner,
                   int64_t columns, float *out, int64_t out_stride);
  /// `out[rows, i] = Σ x[rows, k] · weight[i, k]` for outputs i from `first_output` to before `end_output`; rows of
  /// `weight` are dense and `inner` long. Nothing is copied: as fast for few rows as weights come from memory.
  void (*multiply_transposed)(const float *x, int64_t x_stride, const float *weight, int64_t rows, int64_t inner,
                              int64_t first_output, int64_t end_output, float *out, int64_t out_stride);
};

/// Those for the processor this runs on.
const Kernels &kernels();

}  // namespace ctorch
