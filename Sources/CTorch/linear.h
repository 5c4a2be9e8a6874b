#pragma once
#include "weight_kind.h"
#include <ATen/ATen.h>

namespace ctorch {

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
/// Weights are of that kind, [outputs, inputs], packed or not; int8 ones come with what scales them, for packed ones a
/// number for each output, and of others `scales` are undefined. Packed int8 weights are multiplied by activations that
/// are quantized row by row; bfloat16 ones by activations rounded to bfloat16; sums are exact or float32. Weights that
/// are not packed are converted to float32 first, which is slow.
at::Tensor linear_narrow(WeightKind kind, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &scales,
                         const c10::optional<at::Tensor> &bias, bool gelu);

}  // namespace ctorch
