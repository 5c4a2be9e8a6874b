// Attention in one pass over memory, a head at a time, and what it is computed by where that does not cover it.
#include "attention.h"
#include "kernels.h"
#include "parallel.h"
#include "tensors.h"
#include "workspace.h"

#include <ATen/ExpandUtils.h>
#include <ATen/InferSize.h>
#include <algorithm>
#include <cmath>
#include <limits>

namespace ctorch {

namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

/// Where one head's operands lie.
struct Head {
  const float *q, *k, *v, *mask;
  float *out;
};

/// Strides and sizes that all heads share.
struct Heads {
  int64_t rows = 0, keys = 0, size = 0, value_size = 0;
  int64_t q_row = 0, k_size = 1, k_key = 0, v_key = 0, mask_row = 0, out_row = 0;
  float scale = 1;
  bool is_causal = false, is_fused = false;
};

/// A view of an operand by batch and head: where it begins, and its strides in elements.
template <typename Element> struct HeadView {
  Element *data;
  int64_t batch, head;
};

/// Turns a row of scores into weights: of the first `visible` of `keys`, and zeros for the others.
void weigh(const Heads &all, float *scores, const float *mask, int64_t visible, int64_t keys) {
  const bool is_all_masked = all.is_fused && mask != nullptr &&
                             std::all_of(mask, mask + visible, [](float added) { return added == kMasked; });
  if (is_all_masked) {
    visible = 0;
  } else {
    kernels().softmax(scores, visible, all.scale, mask);
  }
  std::fill(scores + visible, scores + keys, 0.0F);
}

/// A block of rows at a time, so that its scores stay in a near cache.
void attend(const Heads &all, const Head &head) {
  constexpr int64_t kRows = 24, kColumns = 16;
  const Kernels &kernel = kernels();
  const int64_t width = (all.keys + kColumns - 1) / kColumns * kColumns;
  thread_local Workspace workspace;
  auto *keys = reinterpret_cast<float *>(
      workspace.of(static_cast<size_t>(width * (all.size + kRows)) * sizeof(float)));
  float *scores = keys + width * all.size;
  for (int64_t i = 0; i < all.size; i++) {
    float *row = keys + i * width;
    for (int64_t key = 0; key < all.keys; key++) row[key] = head.k[i * all.k_size + key * all.k_key];
    // Whole vectors of scores are computed, and what is beyond the last key is not looked at.
    for (int64_t key = all.keys; key < width; key++) row[key] = 0;
  }
  for (int64_t first = 0; first < all.rows; first += kRows) {
    const int64_t rows = std::min(kRows, all.rows - first);
    const int64_t seen = all.is_causal ? std::min(all.keys, first + rows) : all.keys;
    const int64_t columns = (seen + kColumns - 1) / kColumns * kColumns;
    kernel.multiply(head.q + first * all.q_row, all.q_row, keys, width, rows, all.size, columns, scores, width);
    for (int64_t row = 0; row < rows; row++) {
      const float *mask = head.mask == nullptr ? nullptr : head.mask + (first + row) * all.mask_row;
      weigh(all, scores + row * width, mask, all.is_causal ? std::min(seen, first + row + 1) : seen, seen);
    }
    kernel.multiply(scores, width, head.v, all.v_key, rows, seen, all.value_size, head.out + first * all.out_row,
                    all.out_row);
  }
}

/// The mask as every head and row sees it; false where the fast way does not cover it.
bool expand_mask(const at::Tensor &mask, at::IntArrayRef scores, at::Tensor &expanded) {
  if (!mask.defined()) return true;
  // A larger one makes more scores, which is not for here.
  if (!is_plain(mask) || !at::is_expandable_to(mask.sizes(), scores)) return false;
  expanded = mask.expand(scores);
  return scores[3] == 1 || expanded.stride(3) == 1;
}

/// All heads of a batch; `group` heads of q one after the other share one of k and v.
void attend_all(Heads all, const HeadView<const float> &q, const HeadView<const float> &k,
                const HeadView<const float> &v, const HeadView<float> &out, const at::Tensor &mask, int64_t batch,
                int64_t heads, int64_t group) {
  all.mask_row = mask.defined() ? mask.stride(2) : 0;
  const auto *from_mask = mask.defined() ? mask.data_ptr<float>() : nullptr;
  parallel_for(batch * heads, 2 * all.rows * all.keys * all.size, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t b = i / heads, h = i % heads;
      const float *own = from_mask == nullptr ? nullptr : from_mask + b * mask.stride(0) + h * mask.stride(1);
      attend(all, {q.data + b * q.batch + h * q.head, k.data + b * k.batch + h / group * k.head,
                   v.data + b * v.batch + h / group * v.head, own, out.data + b * out.batch + h * out.head});
    }
  });
}

/// Whether the fast way covers these operands; k is [batch, heads, size, keys].
bool fits(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, int64_t group) {
  if (!is_plain(q) || !is_plain(k) || !is_plain(v) || q.dim() != 4 || k.dim() != 4 || v.dim() != 4) return false;
  const bool agree = q.size(0) == k.size(0) && q.size(0) == v.size(0) && q.size(1) == k.size(1) * group &&
                     k.size(1) == v.size(1) && q.size(3) == k.size(2) && k.size(3) == v.size(2);
  return agree && q.stride(3) == 1 && v.stride(3) == 1;
}

double scale_of(const Scoring &scoring, int64_t size) {
  return scoring.scale ? *scoring.scale : 1 / std::sqrt(static_cast<double>(size));
}

/// Heads of which only the strides are not known.
Heads heads_of(const Scoring &scoring, int64_t rows, int64_t keys, int64_t size) {
  Heads all;
  all.rows = rows;
  all.keys = keys;
  all.size = all.value_size = size;
  all.scale = static_cast<float>(scale_of(scoring, size));
  all.is_causal = scoring.is_causal;
  all.is_fused = scoring.is_fused;
  return all;
}

/// The fast way for operands of four dimensions; undefined where it does not cover them.
at::Tensor try_attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const Scoring &scoring,
                         int64_t group) {
  if (!fits(q, k, v, group)) return {};
  const int64_t batch = q.size(0), heads = q.size(1), rows = q.size(2), size = q.size(3), keys = k.size(3);
  at::Tensor mask;
  if (!expand_mask(scoring.mask, {batch, heads, rows, keys}, mask)) return {};
  const int64_t value_size = v.size(3);
  const bool is_by_head = scoring.is_fused && q.stride(1) > q.stride(2);
  at::Tensor out = is_by_head ? empty({batch, heads, rows, value_size})
                              : empty({batch, rows, heads, value_size}).permute({0, 2, 1, 3});
  Heads all = heads_of(scoring, rows, keys, size);
  all.value_size = value_size;
  all.q_row = q.stride(2);
  all.k_size = k.stride(2);
  all.k_key = k.stride(3);
  all.v_key = v.stride(2);
  all.out_row = out.stride(2);
  attend_all(all, {q.data_ptr<float>(), q.stride(0), q.stride(1)}, {k.data_ptr<float>(), k.stride(0), k.stride(1)},
             {v.data_ptr<float>(), v.stride(0), v.stride(1)}, {out.data_ptr<float>(), out.stride(0), out.stride(1)},
             mask, batch, heads, group);
  return out;
}

/// As the model would write it out, one operator after the other.
at::Tensor attention_by_parts(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const Scoring &scoring,
                              double dropout = 0) {
  at::Tensor scores = at::matmul(q, k) * scale_of(scoring, q.size(-1));
  if (scoring.mask.defined()) scores = scores + scoring.mask;
  if (scoring.is_causal) {
    const auto visible = at::ones({scores.size(-2), scores.size(-1)}, at::kBool).tril();
    scores = scores.masked_fill(visible.logical_not(), kMasked);
  }
  at::Tensor weights = at::softmax(scores, -1);
  if (scoring.is_fused) weights = weights.masked_fill(scores.eq(kMasked).all(-1, true), 0);
  if (dropout > 0) weights = at::dropout(weights, dropout, true);
  return at::matmul(weights, v);
}

/// Whether `joined`, [batch, rows, heads · size], is what `shape` makes four dimensions of, each where it was.
bool is_joined(const at::Tensor &joined, at::IntArrayRef shape) {
  return is_plain(joined) && joined.dim() == 3 && joined.stride(2) == 1 && shape.size() == 4 &&
         shape[0] == joined.size(0) && shape[1] == joined.size(1) && shape[2] > 0 && shape[3] > 0 &&
         shape[2] <= joined.size(2) && shape[3] <= joined.size(2) && shape[2] * shape[3] == joined.size(2);
}

/// A tensor of `dims` dimensions more in front of its last two, each of size 1.
at::Tensor with_heads(at::Tensor tensor, int64_t dims) {
  for (; dims > 0; dims--) tensor = tensor.unsqueeze(-3);
  return tensor;
}

void check_operands(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                    const c10::optional<at::Tensor> &mask) {
  TORCH_CHECK(query.scalar_type() == key.scalar_type() && query.scalar_type() == value.scalar_type(),
              "Expected query, key, and value to have the same dtype, but got query.dtype: ", query.scalar_type(),
              " key.dtype: ", key.scalar_type(), " and value.dtype: ", value.scalar_type(), " instead.");
  TORCH_CHECK(query.dim() >= 2 && key.dim() >= 2 && value.dim() >= 2,
              "Expected query, key, and value to all be at least 2 dimensional, but got query.dim: ", query.dim(),
              " key.dim: ", key.dim(), " and value.dim: ", value.dim(), " instead.");
  if (!mask || !mask->defined()) return;
  const at::ScalarType type = mask->scalar_type();
  TORCH_CHECK(type == at::kBool || type == at::kFloat || type == query.scalar_type(),
              "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ", type,
              " and query.dtype: ", query.scalar_type(), " instead.");
}

/// How many heads of `query` share one of `key`, where they may.
int64_t group_of(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value) {
  if (query.dim() < 3 || key.dim() < 3 || value.dim() < 3) return 1;
  const int64_t heads = query.size(-3), key_heads = key.size(-3), value_heads = value.size(-3);
  TORCH_CHECK(key_heads > 0 && value_heads > 0 && heads % key_heads == 0 && heads % value_heads == 0,
              "Number of heads in key and value must divide the number of heads in query");
  return key_heads == value_heads ? heads / key_heads : 1;
}

/// Heads of `tensor` repeated until there are as many as `query` has.
at::Tensor repeated(const at::Tensor &tensor, const at::Tensor &query) {
  const int64_t times = tensor.dim() < 3 ? 1 : query.size(-3) / tensor.size(-3);
  return times == 1 ? tensor : tensor.repeat_interleave(times, -3);
}

}  // namespace

at::Tensor attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, const Scoring &scoring) {
  if (at::Tensor out = try_attention(q, k, v, scoring, 1); out.defined()) return out;
  return attention_by_parts(q, k, v, scoring);
}

at::Tensor attention_of_heads(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, at::IntArrayRef q_shape,
                              at::IntArrayRef k_shape, at::IntArrayRef v_shape, const Scoring &scoring,
                              at::IntArrayRef shape) {
  const at::DimVector of_q = at::infer_size_dv(q_shape, q.numel()), of_k = at::infer_size_dv(k_shape, k.numel()),
                      of_v = at::infer_size_dv(v_shape, v.numel());
  const bool is_covered = is_joined(q, of_q) && is_joined(k, of_k) && is_joined(v, of_v) && of_k == of_v &&
                          of_q[0] == of_k[0] && of_q[2] == of_k[2] && of_q[3] == of_k[3] &&
                          q.sizes().equals(at::infer_size_dv(shape, q.numel()));
  at::Tensor mask;
  if (!is_covered || !expand_mask(scoring.mask, {of_q[0], of_q[2], of_q[1], of_k[1]}, mask)) {
    // Step by step as the model wrote it, whose shapes need not be of four.
    return attention(q.reshape(q_shape).transpose(1, 2), k.reshape(k_shape).transpose(1, 2).transpose(-1, -2),
                     v.reshape(v_shape).transpose(1, 2), scoring)
        .transpose(1, 2)
        .reshape(shape);
  }
  const int64_t batch = of_q[0], heads = of_q[2], size = of_q[3];
  at::Tensor out = empty(q.sizes());
  Heads all = heads_of(scoring, of_q[1], of_k[1], size);
  all.q_row = q.stride(1);
  all.k_key = k.stride(1);
  all.v_key = v.stride(1);
  all.out_row = heads * size;
  attend_all(all, {q.data_ptr<float>(), q.stride(0), size}, {k.data_ptr<float>(), k.stride(0), size},
             {v.data_ptr<float>(), v.stride(0), size}, {out.data_ptr<float>(), out.stride(0), size}, mask, batch, heads,
             1);
  return out;
}

at::Tensor additive_mask(const at::Tensor &mask) {
  if (mask.scalar_type() != at::kBool) return mask;
  // Of a dimension along which it repeats itself, one is enough.
  at::Tensor once = mask;
  for (int64_t i = 0; i < mask.dim(); i++) {
    if (mask.size(i) > 1 && mask.stride(i) == 0) once = once.narrow(i, 0, 1);
  }
  once = once.contiguous();
  if (!once.device().is_cpu()) return at::zeros_like(mask, at::kFloat).masked_fill(mask.logical_not(), kMasked);
  at::Tensor added = empty(once.sizes());
  const bool *from = once.data_ptr<bool>();
  float *to = added.data_ptr<float>();
  for (int64_t i = 0; i < once.numel(); i++) to[i] = from[i] ? 0.0F : kMasked;
  return added.expand(mask.sizes());
}

at::Tensor scaled_dot_product_attention(const at::Tensor &query, const at::Tensor &key, const at::Tensor &value,
                                        const c10::optional<at::Tensor> &mask, double dropout, bool is_causal,
                                        c10::optional<double> scale, bool enable_gqa) {
  check_operands(query, key, value, mask);
  Scoring scoring;
  if (mask && mask->defined()) scoring.mask = additive_mask(*mask);
  scoring.scale = scale;
  scoring.is_causal = is_causal;
  scoring.is_fused = true;
  const int64_t group = enable_gqa ? group_of(query, key, value) : 1;
  const int64_t missing = 4 - query.dim();
  if (dropout == 0 && missing >= 0 && key.dim() == query.dim() && value.dim() == query.dim()) {
    Scoring of_four = scoring;
    if (scoring.mask.defined() && scoring.mask.dim() == query.dim()) of_four.mask = with_heads(scoring.mask, missing);
    at::Tensor out = try_attention(with_heads(query, missing), with_heads(key, missing).transpose(-2, -1),
                                   with_heads(value, missing), of_four, group);
    for (int64_t i = 0; out.defined() && i < missing; i++) out = out.squeeze(-3);
    if (out.defined()) return out;
  }
  const at::Tensor k = enable_gqa ? repeated(key, query) : key, v = enable_gqa ? repeated(value, query) : value;
  // Sums of half floats are those of float32.
  const bool is_half = query.scalar_type() == at::kHalf || query.scalar_type() == at::kBFloat16;
  const auto type = is_half ? at::kFloat : query.scalar_type();
  if (scoring.mask.defined() && is_half) scoring.mask = scoring.mask.to(type);
  return attention_by_parts(query.to(type), k.to(type).transpose(-2, -1), v.to(type), scoring, dropout)
      .to(query.scalar_type());
}

}  // namespace ctorch
