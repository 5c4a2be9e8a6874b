#pragma once
#include <ATen/ATen.h>

namespace ctorch {

/// How the scores of attention become weights.
struct Scoring {
  /// Added to the scaled scores, to which it is broadcast; undefined where there is none.
  at::Tensor mask;
  /// Factor of the scores; one over the root of a head's size where there is none.
  c10::optional<double> scale;
  /// Whether a row reads the keys up to its own number only, counted from the first.
  bool is_causal = false;
  /// As `scaled_dot_product_attention` has it and not as the softmax written out: a row all of whose keys are masked by
  /// −∞ is zeros and not NaN, and the result lies in memory as `q` does.
  bool is_fused = false;
};

/// `softmax(q · k · scale + mask) · v`; q is [batch, heads, rows, size], k [batch, heads, size, keys], v
/// [batch, heads, keys, size]. The result lies in memory as [batch, rows, heads, size] unless `is_fused`. Other numbers
/// of dimensions, and batches or heads of 1 for several, are as `matmul` has them.
at::Tensor attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const Scoring &scoring);
/// The same from and to tensors in which the heads lie side by side, [batch, rows, heads · size]: `q_shape`, `k_shape`
/// and `v_shape` are [batch, rows, heads, size] as the model states them, `shape` is the result's. One size of each may
/// be -1, which stands for what is left.
at::Tensor attention_of_heads(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, at::IntArrayRef q_shape,
                              at::IntArrayRef k_shape, at::IntArrayRef v_shape, const Scoring &scoring,
                              at::IntArrayRef shape);

/// A mask as it is added to scores: of booleans, 0 for true and −∞ for false; others as they are.
at::Tensor additive_mask(const at::Tensor &mask);

/// The operator of PyTorch 2 (its version 2.13), which libtorch 1.13 lacks: `query` [..., rows, size], `key` [...,
/// keys, size], `value` [..., keys, value size], of at least two dimensions. Masks of booleans let the keys through
/// that are true. With `enable_gqa` each head of key and value serves as many heads of `query`, one after the other.
/// Weights are dropped with that probability, in inference as well.
///
/// Throws where types or shapes do not fit.
at::Tensor scaled_dot_product_attention(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                                        const c10::optional<at::Tensor> &mask, double dropout, bool is_causal,
                                        c10::optional<double> scale, bool enable_gqa);

}  // namespace ctorch
