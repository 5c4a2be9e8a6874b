#pragma once
#include "CTorch.h"
#include <ATen/ATen.h>

namespace ctorch {

/// How the weights of a linear layer are kept.
enum class WeightKind { kBFloat16, kInt8 };

/// Whether this build and this processor multiply by weights of that kind faster than by float32 ones.
bool can_pack(WeightKind kind, int64_t outputs, int64_t inputs);

/// The one private copy of a weight, in the order in which the processor's kernels read it: a tensor of the same type
/// and sizes whose storage only the functions below understand. The result is undefined where it cannot be packed.
at::Tensor pack(const at::Tensor &weight, WeightKind kind);
bool is_packed(const at::Tensor &weight);
/// Whether these are a scale for each of so many outputs, [outputs, 1], as packed int8 weights are multiplied by.
bool scales_outputs(const at::Tensor &scales, int64_t outputs);

/// `x · weightᵀ + bias`, then GELU where asked; x is float32 [..., inputs], the result float32 [..., outputs].
///
/// Weights are bfloat16 or int8 [outputs, inputs], packed or not; int8 ones come with what scales them, for packed ones
/// a number for each output. Packed int8 weights are multiplied by activations that are quantized row by row; bfloat16
/// ones by activations rounded to bfloat16; sums are exact or float32. Weights that are not packed are converted to
/// float32 first, which is slow.
at::Tensor linear_bfloat16(const at::Tensor &x, const at::Tensor &weight, const c10::optional<at::Tensor> &bias,
                           bool gelu);
at::Tensor linear_int8(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &scales,
                       const c10::optional<at::Tensor> &bias, bool gelu);

}  // namespace ctorch
