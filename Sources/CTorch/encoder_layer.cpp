// The fused encoder layer of torch.nn, made of the parts of ops.h, and its registration as planner::encoder_layer.
#include "encoder_layer.h"
#include "attention.h"
#include "operators.h"
#include "ops.h"
#include "precisions.h"
#include "tensors.h"

#include <ATen/NestedTensorImpl.h>

namespace ctorch {

namespace {

at::Tensor multiply(const Product &product, const at::Tensor &x, bool gelu = false) {
  for (const Precision &one : precisions()) {
    if (product.weight.scalar_type() == one.element)
      return linear_narrow(one.kind, x, product.weight, product.scales, product.bias, gelu);
  }
  return linear_float32(x, product.weight, product.bias, gelu);
}

/// The mask as it is added to scores; undefined where there is none.
at::Tensor added_mask(const EncoderLayer &layer, int64_t batch, int64_t heads, int64_t tokens) {
  if (!layer.mask.defined()) return {};
  const at::Tensor added = additive_mask(layer.mask.to(at::kBool).logical_not());
  switch (layer.mask_type) {
    case 0: return added.view({1, 1, tokens, tokens});
    case 1: return added.view({batch, 1, 1, tokens});
    case 2: return added.view({batch, heads, tokens, tokens});
    default: TORCH_CHECK(false, "Mask Type should be 0 (src_mask), 1 (src_key_padding_mask), or 2 (default_mask)");
  }
}

at::Tensor encode_dense(const EncoderLayer &layer, const at::Tensor &src) {
  TORCH_CHECK(src.dim() == 3, "an encoder layer takes [batch, tokens, size], not ", src.sizes());
  const int64_t batch = src.size(0), tokens = src.size(1), size = src.size(2);
  TORCH_CHECK(layer.heads > 0 && size % layer.heads == 0, "an encoder layer's size must be a multiple of its heads");
  const auto normalize = [&](const at::Tensor &x, const at::Tensor &gamma, const at::Tensor &beta) {
    return at::layer_norm(x, {size}, gamma, beta, layer.epsilon);
  };
  const std::vector<int64_t> by_head{batch, tokens, layer.heads, size / layer.heads};
  const auto parts =
      multiply(layer.joined, layer.normalizes_first ? normalize(src, layer.gamma_1, layer.beta_1) : src).chunk(3, -1);
  Scoring scoring;
  scoring.mask = added_mask(layer, batch, layer.heads, tokens);
  const at::Tensor seen =
      attention_of_heads(parts[0], parts[1], parts[2], by_head, by_head, by_head, scoring, {batch, tokens, size});
  const at::Tensor attended = multiply(layer.out, seen);
  const at::Tensor x = layer.normalizes_first
                           ? src + attended
                           : add_normalize(attended, src, {size}, layer.gamma_1, layer.beta_1, layer.epsilon);
  const at::Tensor from = layer.normalizes_first ? normalize(x, layer.gamma_2, layer.beta_2) : x;
  at::Tensor hidden = multiply(layer.up, from, layer.has_gelu);
  if (!layer.has_gelu) hidden.relu_();
  const at::Tensor moved = multiply(layer.down, hidden);
  return layer.normalizes_first ? x + moved
                                : add_normalize(moved, x, {size}, layer.gamma_2, layer.beta_2, layer.epsilon);
}

/// Pads what is nested, and takes the padding out again.
at::Tensor encode_nested(const EncoderLayer &layer, const at::Tensor &src) {
  TORCH_CHECK(!layer.mask.defined(), "an encoder layer takes no mask beside a nested tensor");
  const at::Tensor tokens = at::native::get_nested_size_tensor(src).select(1, 0);
  const at::Tensor dense = at::native::get_nested_tensor_impl(src)->is_contiguous()
                               ? src.to_padded_tensor(0)
                               : src.contiguous().to_padded_tensor(0);
  const at::Tensor is_token = at::arange(dense.size(1), tokens.options()).unsqueeze(0).lt(tokens.unsqueeze(1));
  EncoderLayer padded = layer;
  padded.mask = is_token.logical_not();
  padded.mask_type = 1;
  return at::_nested_tensor_from_mask(encode_dense(padded, dense), is_token, false);
}

EncoderLayer layer_of(Operands in) {
  const auto product = [&](size_t weight, size_t scales) {
    return Product{in[weight].toTensor(), in[weight + 1].toTensor(),
                   in[scales].isNone() ? at::Tensor() : in[scales].toTensor()};
  };
  EncoderLayer layer;
  layer.heads = in[2].toInt();
  layer.joined = product(3, 20);
  layer.out = product(5, 21);
  layer.has_gelu = in[7].toBool();
  layer.normalizes_first = in[8].toBool();
  layer.epsilon = in[9].toDouble();
  layer.gamma_1 = in[10].toTensor();
  layer.beta_1 = in[11].toTensor();
  layer.gamma_2 = in[12].toTensor();
  layer.beta_2 = in[13].toTensor();
  layer.up = product(14, 22);
  layer.down = product(16, 23);
  if (!in[18].isNone()) layer.mask = in[18].toTensor();
  if (!in[19].isNone()) layer.mask_type = in[19].toInt();
  return layer;
}

// `is_narrow` says of the graph that its weights are widened in the model's code.
const torch::jit::RegisterOperators kOperators({
    operation<25>("planner::encoder_layer(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, "
                  "Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, "
                  "Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, "
                  "Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask, "
                  "int? mask_type, Tensor? qkv_scales, Tensor? proj_scales, Tensor? ffn_scales_1, "
                  "Tensor? ffn_scales_2, bool is_narrow) -> Tensor",
                  [](Operands in) { return encode(layer_of(in), in[0].toTensor()); }),
});

}  // namespace

at::Tensor encode(const EncoderLayer &layer, const at::Tensor &src) {
  return src.is_nested() ? encode_nested(layer, src) : encode_dense(layer, src);
}

}  // namespace ctorch
