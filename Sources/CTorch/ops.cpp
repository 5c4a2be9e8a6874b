// What rewritten graphs call, and its registration as `planner::…` operators. A model file may name them as well, with
// any operands: see ops.h.
#include "ops.h"
#include "kernels.h"
#include "linear.h"
#include "parallel.h"
#include "workspace.h"

#include <torch/csrc/jit/runtime/custom_operator.h>

namespace ctorch {

namespace {

bool is_plain(const at::Tensor &tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
         tensor.numel() > 0;
}

/// Where one head's operands lie.
struct Head {
  const float *q, *k, *v, *mask;
  float *out;
};

/// Strides and sizes that all heads share.
struct Heads {
  int64_t rows, keys, size;
  int64_t q_row, k_size, k_key, v_key, mask_row, out_row;
  float scale;
};

/// Where the heads of all rows of a batch lie: elements from one to the next.
struct Lying {
  const float *data;
  int64_t batch, head;
};

/// A block of rows at a time, so that its scores stay in a near cache.
void attend(const Heads &all, const Head &head) {
  constexpr int64_t kRows = 24;
  const Kernels &kernel = kernels();
  const int64_t width = (all.keys + 15) / 16 * 16;
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
    kernel.multiply(head.q + first * all.q_row, all.q_row, keys, width, rows, all.size, width, scores, width);
    for (int64_t row = 0; row < rows; row++) {
      const float *mask = head.mask == nullptr ? nullptr : head.mask + (first + row) * all.mask_row;
      kernel.softmax(scores + row * width, all.keys, all.scale, mask);
    }
    kernel.multiply(scores, width, head.v, all.v_key, rows, all.keys, all.size, head.out + first * all.out_row,
                    all.out_row);
  }
}

/// The mask as every head and row sees it; false where the fast way does not cover it.
bool expand_mask(const c10::optional<at::Tensor> &mask, at::IntArrayRef scores, at::Tensor &expanded) {
  if (!mask || !mask->defined()) return true;
  if (!is_plain(*mask) || mask->dim() > 4) return false;
  expanded = mask->expand(scores);
  return scores[3] == 1 || expanded.stride(3) == 1;
}

/// All heads of a batch; the result is dense, [batch, rows, heads, size].
void attend_all(Heads all, const Lying &q, const Lying &k, const Lying &v, const at::Tensor &mask, int64_t batch,
                int64_t heads, float *out) {
  all.out_row = heads * all.size;
  all.mask_row = mask.defined() ? mask.stride(2) : 0;
  const auto *from_mask = mask.defined() ? mask.data_ptr<float>() : nullptr;
  parallel_for(batch * heads, 2 * all.rows * all.keys * all.size, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t b = i / heads, h = i % heads;
      const float *own = from_mask == nullptr ? nullptr : from_mask + b * mask.stride(0) + h * mask.stride(1);
      attend(all, {q.data + b * q.batch + h * q.head, k.data + b * k.batch + h * k.head,
                   v.data + b * v.batch + h * v.head, own, out + (b * all.rows * heads + h) * all.size});
    }
  });
}

/// Whether the fast way covers these operands.
bool fits(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v) {
  if (!is_plain(q) || !is_plain(k) || !is_plain(v) || q.dim() != 4 || k.dim() != 4 || v.dim() != 4) return false;
  const bool agree = q.size(0) == k.size(0) && q.size(0) == v.size(0) && q.size(1) == k.size(1) &&
                     q.size(1) == v.size(1) && q.size(3) == k.size(2) && k.size(3) == v.size(2) &&
                     q.size(3) == v.size(3);
  return agree && q.stride(3) == 1 && v.stride(3) == 1;
}

/// Whether `joined`, [batch, rows, heads · size], is what `shape` makes four dimensions of, each where it was.
bool is_joined(const at::Tensor &joined, at::IntArrayRef shape) {
  return is_plain(joined) && joined.dim() == 3 && joined.stride(2) == 1 && shape.size() == 4 &&
         shape[0] == joined.size(0) && shape[1] == joined.size(1) && shape[2] > 0 && shape[3] > 0 &&
         shape[2] <= joined.size(2) && shape[3] <= joined.size(2) && shape[2] * shape[3] == joined.size(2);
}

at::Tensor attention_by_parts(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v,
                              const c10::optional<at::Tensor> &mask, double scale) {
  at::Tensor scores = at::matmul(q, k) * scale;
  if (mask && mask->defined()) scores = scores + *mask;
  return at::matmul(at::softmax(scores, -1), v);
}

}  // namespace

at::Tensor linear_float32(const at::Tensor &x, const at::Tensor &weight, const c10::optional<at::Tensor> &bias,
                          bool gelu) {
  const bool has_bias = bias && bias->defined();
  const bool is_covered = is_plain(x) && is_plain(weight) && weight.dim() == 2 && weight.is_contiguous() &&
                          x.dim() > 0 && x.size(-1) == weight.size(1) &&
                          (!has_bias || (is_plain(*bias) && bias->dim() == 1 && bias->is_contiguous() &&
                                         bias->size(0) == weight.size(0)));
  // A step is what the kernels take of the outputs at once.
  constexpr int64_t kBlock = 128, kFew = 16, kStep = 32;
  const int64_t inputs = is_covered ? x.size(-1) : 1, rows = x.numel() / inputs;
  // Narrow vectors gain nothing over a BLAS but that it would copy the weights, which few rows do not pay for.
  if (!is_covered || (kernels().lanes < 8 && rows > kFew)) {
    const at::Tensor out = at::linear(x, weight, bias);
    return gelu ? at::gelu(out) : out;
  }
  const int64_t outputs = weight.size(0);
  const at::Tensor dense = x.contiguous();
  auto sizes = x.sizes().vec();
  sizes.back() = outputs;
  at::Tensor out = at::empty(sizes, x.options().memory_format(at::MemoryFormat::Contiguous));
  const auto *from = dense.data_ptr<float>(), *by = weight.data_ptr<float>();
  const auto *plus = has_bias ? bias->data_ptr<float>() : nullptr;
  auto *to = out.data_ptr<float>();
  parallel_for((outputs + kStep - 1) / kStep, kStep * rows * inputs, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * kStep, last = std::min(end * kStep, outputs);
    for (int64_t row = 0; row < rows; row += kBlock) {
      const int64_t count = std::min(kBlock, rows - row);
      float *block = to + row * outputs;
      kernels().multiply_transposed(from + row * inputs, inputs, by, count, inputs, first, last, block, outputs);
      if (plus == nullptr && !gelu) continue;
      for (int64_t i = 0; i < count; i++) {
        float *part = block + i * outputs + first;
        kernels().finish(part, last - first, plus == nullptr ? nullptr : plus + first, gelu, part);
      }
    }
  });
  return out;
}

at::Tensor add_normalize(const at::Tensor &a, const at::Tensor &b, at::IntArrayRef shape, const at::Tensor &gamma,
                         const at::Tensor &beta, double epsilon) {
  const bool is_covered = is_plain(a) && is_plain(b) && is_plain(gamma) && is_plain(beta) && a.dim() > 0 &&
                          a.sizes() == b.sizes() && shape.size() == 1 && shape[0] == a.size(-1) &&
                          gamma.dim() == 1 && gamma.is_contiguous() && gamma.size(0) == shape[0] &&
                          beta.dim() == 1 && beta.is_contiguous() && beta.size(0) == shape[0];
  if (!is_covered) return at::layer_norm(a + b, shape, gamma, beta, epsilon);
  const at::Tensor dense_a = a.contiguous(), dense_b = b.contiguous();
  at::Tensor out = at::empty(a.sizes(), a.options().memory_format(at::MemoryFormat::Contiguous));
  const auto *left = dense_a.data_ptr<float>(), *right = dense_b.data_ptr<float>();
  const auto *by = gamma.data_ptr<float>(), *plus = beta.data_ptr<float>();
  auto *to = out.data_ptr<float>();
  const int64_t columns = shape[0];
  parallel_for(a.numel() / columns, 16 * columns, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) {
      const int64_t at = row * columns;
      kernels().add_normalize(left + at, right + at, columns, by, plus, static_cast<float>(epsilon), to + at);
    }
  });
  return out;
}

at::Tensor attention(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v,
                     const c10::optional<at::Tensor> &mask, double scale) {
  if (!fits(q, k, v)) return attention_by_parts(q, k, v, mask, scale);
  const int64_t batch = q.size(0), heads = q.size(1), rows = q.size(2), size = q.size(3), keys = k.size(3);
  at::Tensor added;
  if (!expand_mask(mask, {batch, heads, rows, keys}, added)) return attention_by_parts(q, k, v, mask, scale);
  at::Tensor out = at::empty({batch, rows, heads, size}, q.options().memory_format(at::MemoryFormat::Contiguous));
  const Heads all{rows, keys, size, q.stride(2), k.stride(2), k.stride(3), v.stride(2), 0, 0,
                  static_cast<float>(scale)};
  attend_all(all, {q.data_ptr<float>(), q.stride(0), q.stride(1)}, {k.data_ptr<float>(), k.stride(0), k.stride(1)},
             {v.data_ptr<float>(), v.stride(0), v.stride(1)}, added, batch, heads, out.data_ptr<float>());
  return out.permute({0, 2, 1, 3});
}

at::Tensor attention_of_heads(const at::Tensor &q, const at::Tensor &k, const at::Tensor &v, at::IntArrayRef q_shape,
                              at::IntArrayRef k_shape, at::IntArrayRef v_shape, const c10::optional<at::Tensor> &mask,
                              double scale, at::IntArrayRef shape) {
  const bool is_covered = is_joined(q, q_shape) && is_joined(k, k_shape) && is_joined(v, v_shape) &&
                          k_shape.equals(v_shape) && q_shape[0] == k_shape[0] && q_shape[2] == k_shape[2] &&
                          q_shape[3] == k_shape[3] && shape.equals(q.sizes());
  at::Tensor added;
  if (!is_covered || !expand_mask(mask, {q_shape[0], q_shape[2], q_shape[1], k_shape[1]}, added)) {
    return attention(q.reshape(q_shape).transpose(1, 2), k.reshape(k_shape).permute({0, 2, 3, 1}),
                     v.reshape(v_shape).transpose(1, 2), mask, scale)
        .transpose(1, 2)
        .reshape(shape);
  }
  const int64_t batch = q_shape[0], heads = q_shape[2], size = q_shape[3];
  at::Tensor out = at::empty(shape, q.options().memory_format(at::MemoryFormat::Contiguous));
  const Heads all{q_shape[1], k_shape[1], size, q.stride(1), 1, k.stride(1), v.stride(1), 0, 0,
                  static_cast<float>(scale)};
  attend_all(all, {q.data_ptr<float>(), q.stride(0), size}, {k.data_ptr<float>(), k.stride(0), size},
             {v.data_ptr<float>(), v.stride(0), size}, added, batch, heads, out.data_ptr<float>());
  return out;
}

namespace {

using torch::jit::Operator;
using torch::jit::pop;
using torch::jit::Stack;

c10::optional<at::Tensor> optional_tensor(c10::IValue value) {
  return value.isNone() ? c10::optional<at::Tensor>() : value.toTensor();
}

/// The last `count` operands, taken from the stack.
std::vector<c10::IValue> take(Stack &stack, size_t count) {
  std::vector<c10::IValue> taken(std::make_move_iterator(stack.end() - static_cast<std::ptrdiff_t>(count)),
                                 std::make_move_iterator(stack.end()));
  torch::jit::drop(stack, count);
  return taken;
}

const auto kPure = c10::AliasAnalysisKind::FROM_SCHEMA;

const torch::jit::RegisterOperators kOperators({
    Operator("planner::linear_bfloat16(Tensor x, Tensor weight, Tensor? bias, bool gelu) -> Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 4);
               stack.emplace_back(linear_bfloat16(in[0].toTensor(), in[1].toTensor(), optional_tensor(in[2]),
                                                  in[3].toBool()));
             }, kPure),
    Operator("planner::linear_int8(Tensor x, Tensor weight, Tensor scales, Tensor? bias, bool gelu) -> Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 5);
               stack.emplace_back(linear_int8(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                              optional_tensor(in[3]), in[4].toBool()));
             }, kPure),
    Operator("planner::linear_float32(Tensor x, Tensor weight, Tensor? bias, bool gelu) -> Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 4);
               stack.emplace_back(linear_float32(in[0].toTensor(), in[1].toTensor(), optional_tensor(in[2]),
                                                 in[3].toBool()));
             }, kPure),
    Operator("planner::add_normalize(Tensor a, Tensor b, int[] shape, Tensor gamma, Tensor beta, float epsilon) -> "
             "Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 6);
               stack.emplace_back(add_normalize(in[0].toTensor(), in[1].toTensor(), in[2].toIntVector(),
                                                in[3].toTensor(), in[4].toTensor(), in[5].toDouble()));
             }, kPure),
    Operator("planner::attention_of_heads(Tensor q, Tensor k, Tensor v, int[] q_shape, int[] k_shape, int[] v_shape, "
             "Tensor? mask, float scale, int[] shape) -> Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 9);
               stack.emplace_back(attention_of_heads(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                                     in[3].toIntVector(), in[4].toIntVector(), in[5].toIntVector(),
                                                     optional_tensor(in[6]), in[7].toDouble(), in[8].toIntVector()));
             }, kPure),
    Operator("planner::attention(Tensor q, Tensor k, Tensor v, Tensor? mask, float scale) -> Tensor",
             [](Stack &stack) {
               const auto in = take(stack, 5);
               stack.emplace_back(attention(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                            optional_tensor(in[3]), in[4].toDouble()));
             }, kPure),
});

}  // namespace

}  // namespace ctorch
