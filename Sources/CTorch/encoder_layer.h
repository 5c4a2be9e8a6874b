#pragma once
#include "linear.h"

namespace ctorch {

/// A product of an encoder's layer: weights of float32 or of a narrow precision, packed or not.
struct Product {
  at::Tensor weight, bias;
  /// Of weights that have scales; else undefined.
  at::Tensor scales;
};

/// The fused layer of `torch.nn.TransformerEncoder`, as PyTorch's `_transformer_encoder_layer_fwd` has it.
struct EncoderLayer {
  int64_t heads = 1;
  Product joined, out, up, down;
  bool has_gelu = false, normalizes_first = false;
  double epsilon = 0;
  at::Tensor gamma_1, beta_1, gamma_2, beta_2;
  /// What is true, or is not 0, is masked: of [rows, keys] where the type is 0, [batch, keys] where it is 1, and
  /// [batch, heads, rows, keys] where it is 2. Undefined where nothing is masked.
  at::Tensor mask;
  int64_t mask_type = 2;
};

/// `src` is [batch, tokens, size], or a nested tensor of [tokens, size], as which the result then comes.
///
/// Throws where types or shapes do not fit.
at::Tensor encode(const EncoderLayer &layer, const at::Tensor &src);

}  // namespace ctorch
