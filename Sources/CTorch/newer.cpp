// Operators of PyTorch 2 that libtorch 1.13 lacks, under their own names: a model's code finds them as if it had them.
#include "attention.h"
#include "operators.h"

#include <limits>

namespace ctorch {

namespace {

/// `input / √(mean of its squares over the last dimensions + eps) · weight`; half floats are computed as float32.
at::Tensor rms_norm(const at::Tensor &input, at::IntArrayRef shape, const c10::optional<at::Tensor> &weight,
                    c10::optional<double> eps) {
  const auto dims = static_cast<int64_t>(shape.size());
  TORCH_CHECK(dims > 0 && input.dim() >= dims && input.sizes().slice(static_cast<size_t>(input.dim() - dims)) == shape,
              "Given normalized_shape=", shape, ", expected input with shape [*, ...], but got input of size ",
              input.sizes());
  const bool is_double = input.scalar_type() == at::kDouble;
  const at::Tensor x = input.to(is_double ? at::kDouble : at::kFloat);
  std::vector<int64_t> last;
  for (int64_t i = 1; i <= dims; i++) last.push_back(-i);
  const double epsilon = is_double ? std::numeric_limits<double>::epsilon() : std::numeric_limits<float>::epsilon();
  at::Tensor out = x * x.square().mean(last, true).add(eps ? *eps : epsilon).rsqrt();
  if (weight && weight->defined()) out = out * *weight;
  return out.to(input.scalar_type());
}

void add(std::vector<c10::optional<torch::jit::Operator>> &made, c10::optional<torch::jit::Operator> one) {
  if (torch::jit::getAllOperatorsFor(c10::Symbol::fromQualString(one->schema().name())).empty())
    made.push_back(std::move(one));
}

std::vector<c10::optional<torch::jit::Operator>> newer_operators() {
  std::vector<c10::optional<torch::jit::Operator>> made;
  add(made, operation<8>("aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, "
                         "Tensor? attn_mask=None, float dropout_p=0.0, bool is_causal=False, *, float? scale=None, "
                         "bool enable_gqa=False) -> Tensor",
                         [](Operands in) {
                           return scaled_dot_product_attention(in[0].toTensor(), in[1].toTensor(), in[2].toTensor(),
                                                               optional_tensor(in[3]), in[4].toDouble(),
                                                               in[5].toBool(), in[6].toOptional<double>(),
                                                               in[7].toBool());
                         }));
  add(made, operation<4>("aten::rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) "
                         "-> Tensor",
                         [](Operands in) {
                           return rms_norm(in[0].toTensor(), in[1].toDimVector(), optional_tensor(in[2]),
                                           in[3].toOptional<double>());
                         }));
  return made;
}

const torch::jit::RegisterOperators kNewerOperators(newer_operators());

}  // namespace

}  // namespace ctorch
