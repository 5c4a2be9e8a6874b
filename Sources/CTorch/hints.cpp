// What a model's code says of the tensors that it takes: who reads them first.
#include "hints.h"
#include "layers.h"
#include "steps.h"

#include <set>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

namespace ctorch {

using torch::jit::Node;
using torch::jit::Value;

namespace {

/// A tensor on its way through the code: a value, or the element of one that is a tuple or a list.
struct Spot {
  const Value *value;
  /// Negative where the value is the tensor itself.
  int64_t element = -1;
  std::vector<Step> steps;
};

/// Where an element of a tuple or list goes in one that reads it.
void follow_element(const Node *node, size_t offset, const Spot &spot, std::vector<Spot> &next) {
  if (is_one_of(node, {"prim::TupleUnpack", "prim::ListUnpack"})) {
    if (static_cast<size_t>(spot.element) < node->outputs().size())
      next.push_back({node->outputs()[static_cast<size_t>(spot.element)], -1, spot.steps});
  } else if (is_one_of(node, {"prim::TupleIndex", "aten::__getitem__"}) && offset == 0) {
    if (is_constant_int(node->input(1), spot.element)) next.push_back({node->output(), -1, spot.steps});
  } else if (is_one_of(node, {"prim::unchecked_cast", "prim::unchecked_unwrap_optional"})) {
    next.push_back({node->output(), spot.element, spot.steps});
  }
}

/// Where a tensor goes in one that reads it.
std::vector<Spot> follow(const torch::jit::Use &reader, const Spot &spot) {
  std::vector<Spot> next;
  const Node *node = reader.user;
  if (node->kind() == c10::prim::Return) {
    const Node *owner = node->owningBlock()->owningNode();
    if (owner != nullptr && owner->kind() == c10::prim::If)
      next.push_back({owner->outputs()[reader.offset], spot.element, spot.steps});
  } else if (spot.element >= 0) {
    follow_element(node, reader.offset, spot, next);
  } else if (is_one_of(node, {"prim::TupleConstruct", "prim::ListConstruct"})) {
    next.push_back({node->output(), static_cast<int64_t>(reader.offset), spot.steps});
  } else if (const auto step = Step::of(node, reader.offset)) {
    next.push_back({node->outputs()[0], -1, spot.steps});
    next.back().steps.push_back(*step);
  }
  return next;
}

/// Follows a tensor to the layers that read it first.
TensorUse first_use(Spot start) {
  TensorUse use;
  std::set<std::pair<const Value *, int64_t>> seen{{start.value, start.element}};
  std::vector<Spot> open{std::move(start)};
  // Code may be long; what reads a tensor first stands near it.
  constexpr size_t kMostValues = 256;
  while (!open.empty() && seen.size() < kMostValues) {
    const Spot spot = std::move(open.back());
    open.pop_back();
    for (const auto &reader : spot.value->uses()) {
      TensorUse wanted = wanted_by(reader.user, reader.offset, spot.element);
      for (auto step = spot.steps.rbegin(); step != spot.steps.rend(); step++) wanted = step->before(wanted);
      add(wanted, use);
      for (Spot &next : follow(reader, spot)) {
        if (seen.insert({next.value, next.element}).second) open.push_back(std::move(next));
      }
    }
  }
  return use;
}

/// The weight of a size; undefined where the module has no such tensor.
at::Tensor weight_of(const WeightSize &size, const torch::jit::Module &module) {
  if (size.weight.empty()) return {};
  c10::IValue value = attribute_at(module, size.weight);
  // Weights of a recurrent layer may be one list.
  if (value.isTensorList() && size.element < value.toTensorList().size())
    value = value.toTensorList().get(size.element);
  return value.isTensor() ? value.toTensor() : at::Tensor();
}

/// - Returns: 0 where it is not known.
int64_t number(const WeightSize &size, const torch::jit::Module &module) {
  if (size.weight.empty()) return size.dimension;
  const at::Tensor weight = weight_of(size, module);
  const int64_t own = weight.defined() && size.dimension < weight.dim() ? weight.size(size.dimension) : 0;
  int64_t product = 0;
  return __builtin_mul_overflow(own, size.factor, &product) ? 0 : product / size.divisor;
}

}  // namespace

std::vector<std::vector<TensorUse>> first_uses(const torch::jit::Module &module) {
  std::vector<std::vector<TensorUse>> uses;
  // Also of code that does more with its modules than to read them: nothing is rewritten by this.
  const auto graph = module.get_method("forward").graph()->copy();
  torch::jit::Inline(*graph);
  for (size_t i = 1; i < graph->inputs().size(); i++) {
    const Value *input = graph->inputs()[i];
    c10::TypePtr type = input->type();
    if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
    std::vector<TensorUse> parts;
    if (const auto tuple = type->cast<c10::TupleType>()) {
      for (size_t k = 0; k < tuple->elements().size(); k++)
        parts.push_back(first_use({input, static_cast<int64_t>(k), {}}));
    } else {
      parts.push_back(first_use({input, -1, {}}));
    }
    uses.push_back(std::move(parts));
  }
  return uses;
}

TensorHint resolve(const TensorUse &use, const torch::jit::Module &module) {
  TensorHint hint;
  hint.role = use.role;
  hint.rows = number(use.rows, module);
  hint.dimension_count = use.dimension_count;
  hint.asked_dimension_count = use.asked_dimension_count;
  hint.row_dimension = use.row_dimension;
  hint.measured_dimension = use.measured_dimension;
  hint.first = number(use.first, module);
  hint.second = number(use.second, module);
  hint.last = number(use.last, module);
  const at::Tensor like = weight_of(use.like, module);
  if (like.defined() && at::isFloatingType(like.scalar_type())) hint.type = like.scalar_type();
  return hint;
}

}  // namespace ctorch
