// What rewritten graphs call, and its registration as `planner::…` operators. A model file may name them as well, with
// any operands: see ops.h.
#include "ops.h"
#include "attention.h"
#include "kernels.h"
#include "linear.h"
#include "operators.h"
#include "parallel.h"
#include "precisions.h"
#include "tensors.h"

namespace ctorch {

namespace {

/// Whether a normalization is of whole rows of `width`, with parameters for each of their elements.
bool normalizes_rows(int64_t width, at::IntArrayRef shape, const at::Tensor &gamma, const at::Tensor &beta) {
  return shape.size() == 1 && shape[0] == width && is_row(gamma, width) && is_row(beta, width);
}

/// Rows that are summed to embed tokens: those of a table that ids name, or one for each token.
struct Summand {
  const float *rows;
  const int64_t *ids;
  int64_t batch_stride, token_stride;

  int64_t id(int64_t batch, int64_t token) const { return ids[batch * batch_stride + token * token_stride]; }
  const float *row(int64_t batch, int64_t token, int64_t width) const {
    return rows + (ids == nullptr ? batch * batch_stride + token * token_stride : id(batch, token) * width);
  }
};

/// Looks up in a table; false where the fast way does not cover it. Throws where an id is beyond the table.
bool look_up(const at::Tensor &table, const at::Tensor &ids, int64_t batch, int64_t tokens, int64_t width,
             Summand &found) {
  const bool is_covered = is_plain(table) && table.dim() == 2 && table.is_contiguous() && table.size(1) == width &&
                          ids.device().is_cpu() && ids.scalar_type() == at::kLong && ids.dim() == 2 &&
                          ids.size(1) == tokens && (ids.size(0) == batch || ids.size(0) == 1);
  if (!is_covered) return false;
  found = {table.data_ptr<float>(), ids.data_ptr<int64_t>(), ids.size(0) == batch ? ids.stride(0) : 0, ids.stride(1)};
  for (int64_t b = 0; b < batch; b++) {
    for (int64_t t = 0; t < tokens; t++) {
      const int64_t id = found.id(b, t);
      TORCH_CHECK_INDEX(id >= 0 && id < table.size(0), "index out of range in self");
    }
  }
  return true;
}

/// A tensor with a row for each token, for all of a batch or for each; false where the fast way does not cover it.
bool add_rows(const at::Tensor &plus, int64_t batch, int64_t tokens, int64_t width, Summand &found) {
  const int64_t dims = plus.dim();
  const bool is_covered = is_plain(plus) && (dims == 2 || dims == 3) && plus.size(-1) == width &&
                          plus.stride(-1) == 1 && plus.size(-2) == tokens && (dims == 2 || plus.size(0) == batch);
  if (is_covered) found = {plus.data_ptr<float>(), nullptr, dims == 3 ? plus.stride(0) : 0, plus.stride(-2)};
  return is_covered;
}

}  // namespace

at::Tensor linear_float32(const at::Tensor &x, const at::Tensor &weight, const c10::optional<at::Tensor> &bias,
                          bool gelu) {
  const bool has_bias = bias && bias->defined();
  const bool is_covered = is_plain(x) && is_plain(weight) && weight.dim() == 2 && weight.is_contiguous() &&
                          x.dim() > 0 && x.size(-1) == weight.size(1) &&
                          (!has_bias || is_row(*bias, weight.size(0)));
  // A step is what the kernels take of the outputs at once.
  constexpr int64_t kBlock = 128, kFew = 16, kStep = 16;
  const int64_t inputs = is_covered ? x.size(-1) : 1, rows = x.numel() / inputs;
  // Narrow vectors gain nothing over a BLAS but that it would copy the weights, which few rows do not pay for.
  if (!is_covered || (kernels().lanes < 8 && rows > kFew)) {
    const at::Tensor out = at::linear(x, weight, bias);
    return gelu ? at::gelu(out) : out;
  }
  const int64_t outputs = weight.size(0);
  const at::Tensor dense = x.contiguous();
  at::DimVector sizes(x.sizes());
  sizes.back() = outputs;
  at::Tensor out = empty(sizes);
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
  const bool is_covered = is_plain(a) && is_plain(b) && a.dim() > 0 && a.sizes() == b.sizes() &&
                          normalizes_rows(a.size(-1), shape, gamma, beta);
  if (!is_covered) return at::layer_norm(a + b, shape, gamma, beta, epsilon);
  const at::Tensor dense_a = a.contiguous(), dense_b = b.contiguous();
  at::Tensor out = empty(a.sizes());
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

at::Tensor embed_normalize(const c10::List<at::Tensor> &tables, const c10::List<at::Tensor> &ids,
                           const c10::optional<at::Tensor> &plus, at::IntArrayRef shape, const at::Tensor &gamma,
                           const at::Tensor &beta, double epsilon) {
  TORCH_CHECK(tables.size() == ids.size() && !tables.empty(), "an embedding needs ids for each of its tables");
  const at::Tensor first = ids.get(0);
  const bool is_plane = first.dim() == 2 && first.numel() > 0;
  const int64_t batch = is_plane ? first.size(0) : 0, tokens = is_plane ? first.size(1) : 0;
  const int64_t width = gamma.dim() == 1 ? gamma.size(0) : 0;
  bool is_covered = is_plane && normalizes_rows(width, shape, gamma, beta);
  c10::SmallVector<Summand, 4> parts(tables.size() + (plus ? 1 : 0));
  for (size_t i = 0; i < tables.size() && is_covered; i++)
    is_covered = look_up(tables.get(i), ids.get(i), batch, tokens, width, parts[i]);
  if (is_covered && plus) is_covered = add_rows(*plus, batch, tokens, width, parts.back());
  if (!is_covered || parts.size() < 2) {
    at::Tensor sum = at::embedding(tables.get(0), first);
    for (size_t i = 1; i < tables.size(); i++) sum = sum + at::embedding(tables.get(i), ids.get(i));
    return at::layer_norm(plus ? sum + *plus : sum, shape, gamma, beta, epsilon);
  }
  at::Tensor out = empty({batch, tokens, width});
  auto *to = out.data_ptr<float>();
  const auto *by = gamma.data_ptr<float>(), *shift = beta.data_ptr<float>();
  parallel_for(batch * tokens, 16 * width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t b = i / tokens, t = i % tokens;
      float *row = to + i * width;
      const float *sum = parts[0].row(b, t, width);
      for (size_t part = 1; part + 1 < parts.size(); part++) {
        const float *more = parts[part].row(b, t, width);
        for (int64_t k = 0; k < width; k++) row[k] = sum[k] + more[k];
        sum = row;
      }
      kernels().add_normalize(sum, parts.back().row(b, t, width), width, by, shift, static_cast<float>(epsilon), row);
    }
  });
  return out;
}

namespace {

Scoring scoring(const c10::IValue &mask, const c10::IValue &scale, const c10::IValue &is_causal,
                const c10::IValue &is_fused) {
  return {mask.isNone() ? at::Tensor() : mask.toTensor(), scale.toOptional<double>(), is_causal.toBool(),
          is_fused.toBool()};
}

/// The layers of narrow weights, one for each precision.
std::vector<c10::optional<torch::jit::Operator>> narrow_layers() {
  std::vector<c10::optional<torch::jit::Operator>> made;
  for (const Precision &one : precisions()) {
    const std::string schema = std::string(one.layer) + "(Tensor x, Tensor weight, " +
                               (one.has_scales ? "Tensor scales, " : "") + "Tensor? bias, bool gelu) -> Tensor";
    const WeightKind kind = one.kind;
    if (one.has_scales) {
      made.push_back(operation<5>(schema, [kind](Operands in) {
        return linear_narrow(kind, in[0].toTensor(), in[1].toTensor(), in[2].toTensor(), optional_tensor(in[3]),
                             in[4].toBool());
      }));
    } else {
      made.push_back(operation<4>(schema, [kind](Operands in) {
        return linear_narrow(kind, in[0].toTensor(), in[1].toTensor(), {}, optional_tensor(in[2]), in[3].toBool());
      }));
    }
  }
  return made;
}

const torch::jit::RegisterOperators kNarrowLayers(narrow_layers());

const torch::jit::RegisterOperators kOperators({
    operation<4>("planner::linear_float32(Tensor x, Tensor weight, Tensor? bias, bool gelu) -> Tensor",
                 [](Operands in) {
                   return linear_float32(in[0].toTensor(), in[1].toTensor(), optional_tensor(in[2]), in[3].toBool());
                 }),
    operation<6>("planner::add_normalize(Tensor a, Tensor b, int[] shape, Tensor gamma, Tensor beta, float epsilon) "
                 "-> Tensor",
                 [](Operands in) {
                   return add_normalize(in[0].toTensor(), in[1].toTensor(), in[2].toDimVector(), in[3].toTensor(),
                                        in[4].toTensor(), in[5].toDouble());
                 }),
    operation<7>("planner::embed_normalize(Tensor[] tables, Tensor[] ids, Tensor? plus, int[] shape, Tensor gamma, "
                 "Tensor beta, float epsilon) -> Tensor",
                 [](Operands in) {
                   return embed_normalize(in[0].toTensorList(), in[1].toTensorList(), optional_tensor(in[2]),
                                          in[3].toDimVector(), in[4].toTensor(), in[5].toTensor(), in[6].toDouble());
                 }),
    // The same tensor where it is no mask of booleans.
    operation<1>("planner::additive_mask(Tensor(a) mask) -> Tensor(a)",
                 [](Operands in) { return additive_mask(in[0].toTensor()); }),
    operation<11>("planner::attention_of_heads(Tensor q, Tensor k, Tensor v, int[] q_shape, int[] k_shape, "
                  "int[] v_shape, Tensor? mask, float? scale, int[] shape, bool is_causal=False, bool is_fused=False) "
                  "-> Tensor",
                  [](Operands in) {
                    return attention_of_heads(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                              in[3].toDimVector(), in[4].toDimVector(), in[5].toDimVector(),
                                              scoring(in[6], in[7], in[9], in[10]), in[8].toDimVector());
                  }),
    operation<7>("planner::attention(Tensor q, Tensor k, Tensor v, Tensor? mask, float? scale, bool is_causal=False, "
                 "bool is_fused=False) -> Tensor",
                 [](Operands in) {
                   return attention(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                    scoring(in[3], in[4], in[5], in[6]));
                 }),
});

}  // namespace

}  // namespace ctorch
