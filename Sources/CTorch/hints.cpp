// What a model's code says of the tensors that it takes: who reads them first.
#include "hints.h"

#include <algorithm>
#include <set>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace ctorch {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

bool is_one_of(const Node *node, std::initializer_list<const char *> kinds) {
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const char *kind) { return node->kind() == Symbol::fromQualString(kind); });
}

/// The attribute behind a weight that is read as another type or transposed.
WeightSize size_of(const Value *weight, int64_t dimension, int64_t factor = 1) {
  bool is_transposed = false;
  while (is_one_of(weight->node(), {"aten::to", "aten::t", "aten::transpose", "aten::detach"})) {
    if (is_one_of(weight->node(), {"aten::t", "aten::transpose"})) is_transposed = !is_transposed;
    weight = weight->node()->input(0);
  }
  AttributePath path = path_of(weight);
  if (path.empty()) return {};
  return {path, is_transposed ? 1 - dimension : dimension, factor};
}

/// Operators whose answer has the shape of their first operand, as long as the others are no larger.
bool keeps_shape(const Node *node) {
  return is_one_of(node, {"aten::to", "aten::contiguous", "aten::dropout", "aten::clone", "aten::detach", "aten::relu",
                          "aten::relu_", "aten::type_as", "aten::sigmoid", "aten::tanh", "aten::gelu", "aten::add",
                          "aten::sub", "aten::mul", "aten::div", "prim::unchecked_cast", "aten::silu",
                          "prim::unchecked_unwrap_optional"});
}

/// Groups of a convolution; 1 where the code does not say, or says what none has.
int64_t groups(const Value *value) {
  const auto constant = torch::jit::constant_as<int64_t>(value);
  return constant && *constant > 0 && *constant < (1 << 20) ? *constant : 1;
}

/// Takes note of a layer that reads the tensor as its operand `offset`.
void note(const Node *node, size_t offset, TensorUse &use) {
  const auto inputs = node->inputs();
  if (is_one_of(node, {"aten::embedding", "aten::embedding_bag"}) && offset == 1) {
    use.rows = size_of(inputs[0], 0);
    if (!use.rows.is_known()) use.rows.dimension = 1;
  } else if (is_one_of(node, {"aten::conv1d", "aten::conv2d", "aten::conv3d"}) && offset == 0) {
    use.dimension_count = node->kind().toUnqualString()[4] - '0' + 2;
    use.second = size_of(inputs[1], 1, groups(inputs[6]));
  } else if (is_one_of(node, {"aten::_convolution"}) && offset == 0) {
    const auto strides = constant_ints(inputs[3]);
    const auto transposed = torch::jit::constant_as<bool>(inputs[6]);
    if (strides) use.dimension_count = static_cast<int64_t>(strides->size()) + 2;
    const bool is_transposed = transposed && *transposed;
    use.second = size_of(inputs[1], is_transposed ? 0 : 1, is_transposed ? 1 : groups(inputs[8]));
  } else if (is_one_of(node, {"aten::batch_norm"}) && offset == 0) {
    use.second = size_of(inputs[3], 0);
  } else if (is_one_of(node, {"aten::linear", "planner::linear_int8", "planner::linear_bfloat16"}) && offset == 0) {
    use.last = size_of(inputs[1], 1);
  } else if (is_one_of(node, {"aten::matmul", "aten::mm"}) && offset == 0) {
    use.last = size_of(inputs[1], 0);
  } else if (is_one_of(node, {"aten::addmm"}) && offset == 1) {
    use.last = size_of(inputs[2], 0);
  } else if (is_one_of(node, {"aten::layer_norm"}) && offset == 0) {
    const auto shape = constant_ints(inputs[1]);
    if (shape && !shape->empty()) use.last = {{}, shape->back(), 1};
  } else if (is_one_of(node, {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"}) && offset == 0) {
    use.dimension_count = 3;
    const Node *weights = inputs[2]->node();
    const bool is_listed = weights->kind() == c10::prim::ListConstruct && !weights->inputs().empty();
    use.last = size_of(is_listed ? weights->input(0) : inputs[2], 1);
  }
}

/// Follows a tensor to the layers that read it first.
TensorUse first_use(const Value *input) {
  TensorUse use;
  std::vector<const Value *> open{input};
  std::set<const Value *> seen{input};
  // Code may be long; what reads a tensor first stands near it.
  constexpr size_t kMostValues = 256;
  while (!open.empty() && seen.size() < kMostValues) {
    const Value *value = open.back();
    open.pop_back();
    for (const auto &reader : value->uses()) {
      note(reader.user, reader.offset, use);
      const bool goes_on = reader.offset == 0 && keeps_shape(reader.user) && reader.user->outputs().size() == 1;
      if (goes_on && seen.insert(reader.user->output()).second) open.push_back(reader.user->output());
    }
  }
  return use;
}

/// - Returns: 0 where the module has no such tensor.
int64_t number(const WeightSize &size, const torch::jit::Module &module) {
  if (size.weight.empty()) return size.dimension;
  c10::IValue value = attribute_at(module, size.weight);
  // Weights of a recurrent layer may be one list.
  if (value.isTensorList() && !value.toTensorList().empty()) value = value.toTensorList().get(0);
  if (!value.isTensor() || !value.toTensor().defined()) return 0;
  const at::Tensor weight = value.toTensor();
  const int64_t own = size.dimension < weight.dim() ? weight.size(size.dimension) : 0;
  int64_t product = 0;
  return __builtin_mul_overflow(own, size.factor, &product) ? 0 : product;
}

}  // namespace

std::vector<TensorUse> first_uses(const torch::jit::Module &module) {
  std::vector<TensorUse> uses;
  // Also of code that does more with its modules than to read them: nothing is rewritten by this.
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  for (size_t i = 1; i < graph->inputs().size(); i++) uses.push_back(first_use(graph->inputs()[i]));
  return uses;
}

TensorHint resolve(const TensorUse &use, const torch::jit::Module &module) {
  TensorHint hint;
  hint.is_index = use.rows.is_known();
  hint.rows = use.rows.weight.empty() ? 0 : number(use.rows, module);
  hint.dimension_count = use.dimension_count;
  hint.second = number(use.second, module);
  hint.last = number(use.last, module);
  return hint;
}

}  // namespace ctorch
