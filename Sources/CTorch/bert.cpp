// Writes BERT encoders with a question-answering head as TorchScript, without Python: parameters are registered on
// a module, and its `forward` is compiled from source text. See CTorch.h for the conventions.
#include "convert.h"
#include "precisions.h"
#include "shim.h"

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

using ctorch::fail;
using ctorch::guarded;

namespace {

/// Weights by their transformers' names, handed out in a fixed order.
class Weights {
 public:
  Weights(ct_weight_source source, void *context) : source_(source), context_(context) {}

  at::Tensor operator()(const std::string &name, std::vector<int64_t> sizes) const {
    at::Tensor tensor = torch::empty(sizes, at::kFloat);
    int status = source_(context_, name.c_str(), sizes.data(), static_cast<int32_t>(sizes.size()),
                         tensor.data_ptr<float>(), tensor.numel());
    if (status != 0) throw std::runtime_error("no weight was given for " + name);
    return tensor;
  }

 private:
  ct_weight_source source_;
  void *context_;
};

/// A float32 module under construction.
class Builder {
 public:
  Builder(const ct_bert &bert, const Weights &weights)
      : bert_(bert), weights_(weights), module_("BertForQuestionAnswering") {}

  torch::jit::Module build() {
    source_ << "def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor):\n";
    embeddings();
    for (int layer = 0; layer < bert_.layers; layer++) encoder_layer(layer);
    linear("head", weights_("qa_outputs.weight", {2, bert_.hidden}), weights_("qa_outputs.bias", {2}));
    source_ << "  logits = " << apply("head", "x") << "\n"
            << "  return (logits.select(-1, 0).contiguous(), logits.select(-1, 1).contiguous())\n";
    module_.define(source_.str());
    module_.eval();
    return bert_.precision == CT_PRECISION_FP32 ? module_ : ctorch::convert(module_, bert_.precision).module;
  }

 private:
  void parameter(const std::string &name, const at::Tensor &tensor) {
    module_.register_parameter(name, tensor.contiguous(), false);
  }

  void layer_norm(const std::string &name, const std::string &theirs) {
    parameter(name + "_w", weights_(theirs + ".weight", {bert_.hidden}));
    parameter(name + "_b", weights_(theirs + ".bias", {bert_.hidden}));
  }

  void linear(const std::string &name, const at::Tensor &weight, const at::Tensor &bias) {
    parameter(name + "_w", weight);
    parameter(name + "_b", bias);
  }

  std::string apply(const std::string &name, const std::string &input) const {
    return "torch.linear(" + input + ", self." + name + "_w, self." + name + "_b)";
  }

  std::string normalize(const std::string &name, const std::string &input) const {
    return "torch.layer_norm(" + input + ", [" + std::to_string(bert_.hidden) + "], self." + name + "_w, self." + name +
           "_b, 1e-12)";
  }

  void embeddings() {
    const std::string theirs = "bert.embeddings.";
    parameter("words", weights_(theirs + "word_embeddings.weight", {bert_.vocabulary, bert_.hidden}));
    parameter("positions", weights_(theirs + "position_embeddings.weight", {bert_.max_positions, bert_.hidden}));
    parameter("types", weights_(theirs + "token_type_embeddings.weight", {bert_.type_vocabulary, bert_.hidden}));
    layer_norm("embedding_norm", theirs + "LayerNorm");
    // A mask of all ones adds nothing; the lowest number of the type takes a token out of every softmax.
    source_ << "  batch, tokens = input_ids.size(0), input_ids.size(1)\n"
            << "  x = torch.embedding(self.words, input_ids) + torch.embedding(self.types, token_type_ids)"
            << " + self.positions[:tokens]\n"
            << "  x = " << normalize("embedding_norm", "x") << "\n"
            << "  mask = (1 - attention_mask[:, None, None, :].to(x.dtype)) * -3.4028234663852886e+38\n";
  }

  void encoder_layer(int layer) {
    const int64_t hidden = bert_.hidden, inner = bert_.intermediate;
    const int64_t head = hidden / bert_.heads;
    const std::string n = "l" + std::to_string(layer) + "_";
    const std::string theirs = "bert.encoder.layer." + std::to_string(layer) + ".";
    // One product for query, key and value; the query carries the scale.
    std::vector<at::Tensor> weight, bias;
    for (const char *part : {"query", "key", "value"}) {
      const std::string name = theirs + "attention.self." + part;
      weight.push_back(weights_(name + ".weight", {hidden, hidden}));
      bias.push_back(weights_(name + ".bias", {hidden}));
    }
    const double scale = 1.0 / std::sqrt(static_cast<double>(head));
    weight[0] = weight[0] * scale;
    bias[0] = bias[0] * scale;
    linear(n + "qkv", torch::cat(weight), torch::cat(bias));
    dense(n + "out", theirs + "attention.output.dense", hidden, hidden);
    layer_norm(n + "norm1", theirs + "attention.output.LayerNorm");
    dense(n + "up", theirs + "intermediate.dense", inner, hidden);
    dense(n + "down", theirs + "output.dense", hidden, inner);
    layer_norm(n + "norm2", theirs + "output.LayerNorm");
    source_ << "  q, k, v = torch.chunk(" << apply(n + "qkv", "x") << ", 3, -1)\n";
    for (const char *part : {"q", "k", "v"}) {
      source_ << "  " << part << " = " << part << ".view(batch, tokens, " << bert_.heads << ", " << head
              << ").transpose(1, 2)\n";
    }
    source_ << "  p = torch.softmax(torch.matmul(q, k.transpose(-1, -2)) + mask, -1)\n"
            << "  c = torch.matmul(p, v).transpose(1, 2).reshape(batch, tokens, " << hidden << ")\n"
            << "  x = " << normalize(n + "norm1", apply(n + "out", "c") + " + x") << "\n"
            << "  h = torch.gelu(" << apply(n + "up", "x") << ")\n"
            << "  x = " << normalize(n + "norm2", apply(n + "down", "h") + " + x") << "\n";
  }

  void dense(const std::string &name, const std::string &theirs, int64_t out, int64_t in) {
    // In this order, so that a source of random weights is asked alike for every precision.
    at::Tensor weight = weights_(theirs + ".weight", {out, in});
    linear(name, weight, weights_(theirs + ".bias", {out}));
  }

  const ct_bert &bert_;
  const Weights &weights_;
  torch::jit::Module module_;
  std::ostringstream source_;
};

const char *problem(const ct_bert &bert) {
  for (int32_t value : {bert.layers, bert.hidden, bert.heads, bert.intermediate, bert.vocabulary, bert.max_positions,
                        bert.type_vocabulary}) {
    if (value < 1) return "every dimension of a model must be at least 1";
  }
  if (bert.hidden % bert.heads != 0) return "the hidden size must be a multiple of the heads";
  if (bert.precision != CT_PRECISION_FP32 && ctorch::find_precision(bert.precision) == nullptr)
    return "unknown precision";
  return nullptr;
}

}  // namespace

extern "C" int ct_bert_write(const ct_bert *bert, ct_weight_source source, void *context, const char *path,
                             char *error) {
  return guarded(error, [&] {
    if (const char *what = problem(*bert)) return fail(error, what);
    torch::NoGradGuard no_gradients;
    Weights weights(source, context);
    return ctorch::write_module(Builder(*bert, weights).build(), path, error);
  });
}
