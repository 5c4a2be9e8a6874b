// Narrower variants of any traced or scripted model. See convert.h and docs/engine.md.
#include "convert.h"
#include "graph.h"
#include "load.h"
#include "precisions.h"
#include "rules/rules.h"
#include "shim.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <set>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

namespace ctorch {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

constexpr char kEncoderLayer[] = "aten::_transformer_encoder_layer_fwd";

class Converter {
 public:
  Converter(const torch::jit::Module &module, const Precision &precision)
      : module_(module), precision_(precision), result_(torch::jit::Module("__torch__.Converted")) {}

  Conversion run() {
    graph_ = flat_forward(module_);
    if (graph_ == nullptr) throw std::runtime_error("its code does more with its parts than call them");
    conversion_.is_untrained = is_untrained();
    for (const char *kind : {"aten::addmm", "aten::matmul", "aten::mm"}) each(kind, [this](Node *n) { unify(n); });
    // Codes before all else: in the file they then lie side by side, and a page that a model has packed is not
    // brought back because something small beside it is read.
    each("aten::linear", [this](Node *node) { register_codes(node, 1); });
    each(kEncoderLayer, [this](Node *node) {
      for (const size_t operand : rules::kEncoderWeights) register_codes(node, operand);
    });
    each("aten::linear", [this](Node *node) { narrow(node, {1}); });
    each(kEncoderLayer, [this](Node *node) {
      narrow(node, {std::begin(rules::kEncoderWeights), std::end(rules::kEncoderWeights)});
    });
    if (conversion_.linear_layers == 0)
      throw std::runtime_error("it has no linear layer with float32 weights, so there is nothing to convert");
    each("aten::embedding", [this](Node *node) { narrow_embedding(node); });
    move_attributes();
    finish();
    conversion_.module = result_;
    return conversion_;
  }

 private:
  template <typename Body> void each(const char *kind, Body body) {
    std::vector<Node *> found;
    collect(graph_->block(), Symbol::fromQualString(kind), found);
    for (Node *node : found) body(node);
  }

  static void collect(torch::jit::Block *block, Symbol kind, std::vector<Node *> &found) {
    for (Node *node : block->nodes()) {
      if (node->kind() == kind) found.push_back(node);
      for (torch::jit::Block *inner : node->blocks()) collect(inner, kind, found);
    }
  }

  /// The tensor that `value` reads from the module; undefined where it reads none.
  at::Tensor parameter(const Value *value) const {
    const AttributePath path = path_of(value);
    if (path.empty()) return {};
    const c10::IValue attribute = attribute_at(module_, path);
    return attribute.isTensor() ? attribute.toTensor() : at::Tensor();
  }

  static bool is_matrix(const at::Tensor &tensor) {
    return tensor.defined() && tensor.dim() == 2 && tensor.scalar_type() == at::kFloat;
  }

  /// The parameter behind a transposition; null where there is none.
  static Value *transposed(Value *value) {
    if (Node *t = producer(value, "aten::t")) return t->input(0);
    Node *transpose = producer(value, "aten::transpose");
    if (transpose == nullptr) return nullptr;
    const bool swaps = (is_constant_int(transpose->input(1), 0) && is_constant_int(transpose->input(2), 1)) ||
                       (is_constant_int(transpose->input(1), 1) && is_constant_int(transpose->input(2), 0)) ||
                       (is_constant_int(transpose->input(1), -1) && is_constant_int(transpose->input(2), -2)) ||
                       (is_constant_int(transpose->input(1), -2) && is_constant_int(transpose->input(2), -1));
    return swaps ? transpose->input(0) : nullptr;
  }

  /// Other ways to write a product by a parameter become `linear`.
  void unify(Node *node) {
    const bool has_bias = node->kind() == Symbol::fromQualString("aten::addmm");
    Value *x = node->input(has_bias ? 1 : 0);
    Value *factor = node->input(has_bias ? 2 : 1);
    Value *bias = nullptr;
    if (has_bias) {
      bias = node->input(0);
      const at::Tensor values = parameter(bias);
      if (!values.defined() || values.dim() != 1 || constant_number(node->input(3)) != 1.0 ||
          constant_number(node->input(4)) != 1.0)
        return;
    }
    torch::jit::WithInsertPoint guard(node);
    if (bias == nullptr) bias = graph_->insertConstant(c10::IValue());
    Value *weight = transposed(factor);
    if (weight != nullptr && is_matrix(parameter(weight))) {
      replace(node, insert(node, "aten::linear", {x, weight, bias}));
    } else if (is_matrix(parameter(factor))) {
      // As GPT-2 keeps its weights: inputs first.
      Value *turned = insert(node, "aten::t", {factor});
      replace(node, insert(node, "aten::linear", {x, turned, bias}));
    }
  }

  /// The new module's name of what is made of the old one's parameter; `make` is called when it is first asked for.
  template <typename Make> const std::string &name_of(const AttributePath &path, const std::string &role, Make make) {
    std::string &name = names_[{path, role}];
    if (name.empty()) {
      name = unused_name(path, role);
      result_.register_parameter(name, make().contiguous(), false);
    }
    return name;
  }

  Value *read(Node *before, const std::string &name) {
    graph_->inputs().at(0)->setType(result_.type());
    Node *get = graph_->createGetAttr(graph_->inputs().at(0), name);
    get->insertBefore(before);
    made_.insert(get);
    return get->output();
  }

  std::string unused_name(const AttributePath &path, const std::string &role) const {
    std::string name;
    for (const std::string &part : path) name += (name.empty() ? "" : "_") + part;
    name += role;
    for (char &character : name) {
      if (std::isalnum(static_cast<unsigned char>(character)) == 0) character = '_';
    }
    if (std::isalpha(static_cast<unsigned char>(name[0])) == 0) name = "p" + name;
    while (result_.hasattr(name)) name += "_";
    return name;
  }

  Value *widened(Node *before, Value *narrow) {
    torch::jit::WithInsertPoint guard(before);
    Value *no = graph_->insertConstant(false);
    return insert(before, "aten::to", {narrow, graph_->insertConstant(kFloat32), no, no,
                                       graph_->insertConstant(c10::IValue())});
  }

  /// A float32 weight that is multiplied by, outputs first.
  struct Weight {
    AttributePath path;
    at::Tensor values;
    std::string role;
  };

  c10::optional<Weight> weight_of(const Value *factor) const {
    const Node *turn = producer(factor, "aten::t");
    const Value *stored = turn == nullptr ? factor : turn->input(0);
    const at::Tensor values = parameter(stored);
    if (!is_matrix(values)) return {};
    const std::string form = turn == nullptr ? "" : "_t";
    return Weight{path_of(stored), turn == nullptr ? values : values.t(),
                  form + precision_.suffix};
  }

  const std::string &codes_of(const Weight &weight) {
    return name_of(weight.path, weight.role, [&] {
      return precision_.narrow(weight.values, precision_.has_scales ? precision_.scales(weight.values) : at::Tensor());
    });
  }

  void register_codes(const Node *node, size_t operand) {
    if (const auto weight = weight_of(node->input(operand))) codes_of(*weight);
  }

  /// The weight as a layer reads it: narrow, widened and scaled.
  Value *reading(Node *before, const Weight &weight) {
    const std::string codes = codes_of(weight);
    narrowed_[weight.path] = codes;
    Value *by = widened(before, read(before, codes));
    if (!precision_.has_scales) return by;
    const std::string &scales =
        name_of(weight.path, weight.role + "_scale", [&] { return precision_.scales(weight.values); });
    return insert(before, "aten::mul", {by, read(before, scales)});
  }

  /// Narrows a node's weights, which these operands are, where all of them are float32 parameters.
  void narrow(Node *node, const std::vector<size_t> &operands) {
    std::vector<Value *> inputs = node->inputs().vec();
    std::vector<Weight> weights;
    for (const size_t operand : operands) {
      const auto weight = weight_of(inputs[operand]);
      if (!weight) return;
      weights.push_back(*weight);
    }
    for (size_t i = 0; i < operands.size(); i++) inputs[operands[i]] = reading(node, weights[i]);
    replace(node, insert(node, node->kind().toQualString(), inputs));
    conversion_.linear_layers += static_cast<int32_t>(operands.size());
  }

  /// Code that asks where a narrowed weight lies, or whether it is being trained, need not keep the float32 one.
  void redirect(const char *kind) {
    each(kind, [this](Node *node) {
      const auto narrow = narrowed_.find(path_of(node->input(0)));
      if (narrow != narrowed_.end()) node->replaceInput(0, read(node, narrow->second));
    });
  }

  void narrow_embedding(Node *embedding) {
    const at::Tensor table = parameter(embedding->input(0));
    if (!is_matrix(table)) return;
    std::vector<Value *> inputs = embedding->inputs().vec();
    const AttributePath path = path_of(embedding->input(0));
    inputs[0] = read(embedding, name_of(path, "_table", [&] { return table.to(at::kBFloat16); }));
    Value *rows = insert(embedding, "aten::embedding", inputs);
    replace(embedding, widened(embedding, rows));
    conversion_.embeddings++;
  }

  /// What is still read from the old module moves to the new one as it is.
  void move_attributes() {
    redirect("prim::device");
    redirect("prim::requires_grad");
    torch::jit::EliminateDeadCode(graph_);
    std::vector<Node *> leaves;
    collect(graph_->block(), c10::prim::GetAttr, leaves);
    std::map<AttributePath, std::string> moved;
    for (Node *leaf : leaves) {
      const auto cls = leaf->output()->type()->cast<c10::ClassType>();
      const AttributePath path = path_of(leaf->output());
      if ((cls != nullptr && cls->is_module()) || made_.count(leaf) != 0) continue;
      std::string &name = moved[path];
      if (name.empty()) {
        name = unused_name(path, "");
        const c10::IValue value = attribute_at(module_, path);
        if (value.isTensor()) {
          result_.register_parameter(name, value.toTensor().detach(), false);
        } else {
          result_.register_attribute(name, leaf->output()->type(), value);
        }
      }
      Value *by = read(leaf, name);
      leaf->output()->replaceAllUsesWith(by);
    }
    torch::jit::EliminateDeadCode(graph_);
  }

  void finish() {
    graph_->inputs().at(0)->setType(result_.type());
    graph_->lint();
    auto *function = result_._ivalue()->compilation_unit()->create_function(
        c10::QualifiedName(*result_.type()->name(), "forward"), graph_);
    const c10::FunctionSchema &original = module_.get_method("forward").function().getSchema();
    std::vector<c10::Argument> arguments = original.arguments();
    arguments[0] = c10::Argument(arguments[0].name(), result_.type());
    function->setSchema(original.cloneWithArguments(std::move(arguments)));
    result_.type()->addMethod(function);
    result_.eval();
  }

  /// Freshly initialized normalizations multiply by 1 and add 0.
  bool is_untrained() {
    int64_t seen = 0, touched = 0;
    each("aten::layer_norm", [&](Node *norm) {
      const at::Tensor gamma = parameter(norm->input(2)), beta = parameter(norm->input(3));
      if (!gamma.defined() || !beta.defined()) return;
      seen++;
      if (!gamma.eq(1).all().item<bool>() || !beta.eq(0).all().item<bool>()) touched++;
    });
    return seen > 0 && touched == 0;
  }

  const torch::jit::Module &module_;
  const Precision &precision_;
  torch::jit::Module result_;
  std::shared_ptr<Graph> graph_;
  std::map<std::pair<AttributePath, std::string>, std::string> names_;
  /// Names of narrow weights by the paths of those that they are made of.
  std::map<AttributePath, std::string> narrowed_;
  /// Reads of the new module.
  std::set<Node *> made_;
  Conversion conversion_;
};

}  // namespace

Conversion convert(const torch::jit::Module &module, ct_precision precision) {
  torch::NoGradGuard no_gradients;
  const Precision *known = find_precision(precision);
  if (known == nullptr) throw std::runtime_error("a model can be converted to bf16 or int8");
  return Converter(module, *known).run();
}

}  // namespace ctorch

extern "C" int ct_model_convert(const char *path, ct_precision precision, const char *out, ct_conversion *report,
                                char *error) {
  using ctorch::fail;
  return ctorch::guarded(error, [&] {
    if (ctorch::find_precision(precision) == nullptr) return fail(error, "a model can be converted to bf16 or int8");
    // Packed weights are for this processor alone, and what is not converted is written as it is.
    const auto loaded = ctorch::load_module(path, ctorch::Placement(), ctorch::Packing::kNone);
    if (!loaded.module.find_method("forward")) return fail(error, "the model has no method 'forward'");
    const ctorch::Conversion done = ctorch::convert(loaded.module, precision);
    *report = {done.linear_layers, done.embeddings, done.is_untrained ? 1 : 0};
    return ctorch::write_module(done.module, out, error);
  });
}
