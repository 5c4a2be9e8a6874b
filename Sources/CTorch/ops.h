#pragma once
#include <ATen/ATen.h>

namespace ctorch {

// Parts of encoders as one pass over memory. Each equals its definition up to float rounding, for operands of any
// type, layout or size: what the fast way does not cover is computed by libtorch, which also says what does not fit.

/// `x · weightᵀ + bias`, then GELU where asked. Reads the weights where they are, once for each 128 rows of x.
at::Tensor linear_float32(const at::Tensor &x, const at::Tensor &weight, const c10::optional<at::Tensor> &bias,
                          bool gelu);
/// `layer_norm(a + b)` over the last `shape.size()` dimensions.
at::Tensor add_normalize(const at::Tensor &a, const at::Tensor &b, at::IntArrayRef shape, const at::Tensor &gamma,
                         const at::Tensor &beta, double epsilon);
/// `layer_norm(Σ embedding(tables[i], ids[i]) + plus)` over the last dimension, summed in that order; ids are [batch,
/// tokens], or but the first [1, tokens] for all of a batch. Throws where an id is beyond its table.
at::Tensor embed_normalize(const c10::List<at::Tensor> &tables, const c10::List<at::Tensor> &ids,
                           const c10::optional<at::Tensor> &plus, at::IntArrayRef shape, const at::Tensor &gamma,
                           const at::Tensor &beta, double epsilon);

}  // namespace ctorch
