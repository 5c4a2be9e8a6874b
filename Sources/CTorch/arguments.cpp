// What `forward` takes: tensors as they come, numbers from tensors of one element, containers from several.
#include "arguments.h"
#include "element_types.h"

#include <algorithm>
#include <stdexcept>

namespace ctorch {

namespace {

using c10::TypeKind;

c10::TypePtr without_optional(const c10::TypePtr &type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional == nullptr ? type : optional->getElementType();
}

bool is_tensor(const c10::TypePtr &type) { return type->kind() == TypeKind::TensorType; }

ct_argument_kind list_kind(const c10::TypePtr &element) {
  switch (element->kind()) {
    case TypeKind::TensorType: return CT_ARGUMENT_TENSORS;
    case TypeKind::IntType: return CT_ARGUMENT_INTS;
    case TypeKind::FloatType: return CT_ARGUMENT_FLOATS;
    case TypeKind::BoolType: return CT_ARGUMENT_BOOLS;
    default: return CT_ARGUMENT_OTHER;
  }
}

ct_argument_kind kind_of(const c10::TypePtr &type, int32_t &tuple_count) {
  switch (type->kind()) {
    case TypeKind::TensorType: return CT_ARGUMENT_TENSOR;
    case TypeKind::IntType: return CT_ARGUMENT_INT;
    case TypeKind::FloatType: return CT_ARGUMENT_FLOAT;
    case TypeKind::BoolType: return CT_ARGUMENT_BOOL;
    case TypeKind::ListType: return list_kind(type->expectRef<c10::ListType>().getElementType());
    case TypeKind::DictType: {
      const auto &dict = type->expectRef<c10::DictType>();
      const bool is_named = dict.getKeyType()->kind() == TypeKind::StringType;
      return is_named && is_tensor(dict.getValueType()) ? CT_ARGUMENT_DICT : CT_ARGUMENT_OTHER;
    }
    case TypeKind::TupleType: {
      const auto elements = type->expectRef<c10::TupleType>().elements();
      if (elements.empty() || !std::all_of(elements.begin(), elements.end(), is_tensor)) return CT_ARGUMENT_OTHER;
      tuple_count = static_cast<int32_t>(elements.size());
      return CT_ARGUMENT_TUPLE;
    }
    default: return CT_ARGUMENT_OTHER;
  }
}

ct_role role_of(Role role) {
  switch (role) {
    case Role::kValues: return CT_ROLE_VALUES;
    case Role::kTruths: return CT_ROLE_TRUTHS;
    case Role::kPlaces: return CT_ROLE_PLACES;
    case Role::kLengths: return CT_ROLE_LENGTHS;
    case Role::kStarts: return CT_ROLE_STARTS;
    case Role::kIds: return CT_ROLE_IDS;
  }
  return CT_ROLE_VALUES;
}

ct_hint hint_of(const TensorHint &found) {
  ct_hint hint{};
  hint.role = role_of(found.role);
  hint.index_count = found.rows;
  hint.dimension_count = static_cast<int32_t>(found.dimension_count);
  hint.asked_dimension_count = static_cast<int32_t>(found.asked_dimension_count);
  hint.row_dimension = static_cast<int32_t>(found.row_dimension);
  hint.measured_dimension = static_cast<int32_t>(found.measured_dimension);
  hint.first_size = found.first;
  hint.second_size = found.second;
  hint.last_size = found.last;
  hint.has_type = found.type && shim_type(*found.type, hint.type) ? 1 : 0;
  return hint;
}

/// The first part of an answer's type for which there is no datatype; empty where there is none.
std::string foreign_part(const c10::TypePtr &type) {
  switch (type->kind()) {
    case TypeKind::StringType: case TypeKind::ClassType: case TypeKind::DeviceObjType: case TypeKind::ComplexType:
      return type->annotation_str();
    default: break;
  }
  const auto parts = type->containedTypes();
  // Keys of dictionaries become names.
  for (size_t i = type->kind() == TypeKind::DictType ? 1 : 0; i < parts.size(); i++) {
    const std::string foreign = foreign_part(parts[i]);
    if (!foreign.empty()) return foreign;
  }
  return "";
}

template <typename Element> c10::List<Element> list_of(const at::Tensor &tensor) {
  c10::List<Element> list;
  const at::Tensor flat = tensor.reshape({-1}).to(at::kCPU);
  for (int64_t i = 0; i < flat.numel(); i++) list.push_back(flat[i].item<Element>());
  return list;
}

[[noreturn]] void unfit(const std::string &name, const char *wanted) {
  throw std::runtime_error(name + ": " + wanted);
}

}  // namespace

Arguments::Arguments(const torch::jit::Module &module, const std::vector<std::vector<TensorUse>> &uses)
    : schema_(&module.get_method("forward").function().getSchema()) {
  const auto &arguments = schema_->arguments();
  types_.reserve(arguments.size());
  // The module itself is the first argument.
  for (size_t i = 1; i < arguments.size(); i++) {
    const c10::Argument &argument = arguments[i];
    types_.push_back(argument.type()->annotation_str());
    ct_argument described{};
    described.name = argument.name().c_str();
    described.type = types_.back().c_str();
    described.kind = kind_of(without_optional(argument.type()), described.tuple_count);
    const bool is_optional = argument.type()->kind() == TypeKind::OptionalType;
    described.can_be_left_out = is_optional || argument.default_value().has_value() ? 1 : 0;
    hints_.emplace_back();
    if (i - 1 < uses.size()) {
      for (const TensorUse &use : uses[i - 1]) hints_.back().push_back(hint_of(resolve(use, module)));
    }
    described_.push_back(described);
    places_.push_back({i - 1, ""});
    places_of_.push_back({i - 1});
  }
  for (const c10::Argument &answer : schema_->returns()) {
    const std::string foreign = foreign_part(answer.type());
    if (!foreign.empty()) answer_problem_ = "answers with " + foreign + ", for which the protocol has no tensor";
  }
}

void Arguments::place(std::vector<Place> places) {
  std::vector<std::vector<size_t>> places_of(described_.size());
  for (size_t i = 0; i < places.size(); i++) {
    if (places[i].argument >= described_.size()) throw std::runtime_error("there is no such argument");
    places_of[places[i].argument].push_back(i);
  }
  for (size_t i = 0; i < described_.size(); i++) {
    const ct_argument &argument = described_[i];
    const size_t count = places_of[i].size();
    const bool takes_several = argument.kind == CT_ARGUMENT_TENSORS || argument.kind == CT_ARGUMENT_DICT;
    const size_t most = argument.kind == CT_ARGUMENT_TUPLE ? static_cast<size_t>(argument.tuple_count) : 1;
    if (count == 0 && argument.can_be_left_out == 0) unfit(argument.name, "gets no input");
    if (count > 0 && argument.kind == CT_ARGUMENT_OTHER) unfit(argument.name, "takes no tensor");
    if (count > 0 && !takes_several && count != most) unfit(argument.name, "gets another number of tensors");
  }
  places_ = std::move(places);
  places_of_ = std::move(places_of);
}

std::vector<c10::IValue> Arguments::values(const std::vector<at::Tensor> &tensors) const {
  std::vector<c10::IValue> values;
  values.reserve(described_.size());
  for (size_t i = 0; i < described_.size(); i++) {
    std::vector<size_t> given;
    for (size_t place : places_of_[i]) {
      if (tensors[place].defined()) given.push_back(place);
    }
    // A part of a tuple alone is none.
    const bool is_whole = described_[i].kind != CT_ARGUMENT_TUPLE || given.size() == places_of_[i].size();
    if (!given.empty() && is_whole) {
      values.push_back(value(i, tensors, given));
    } else if (!given.empty() || described_[i].can_be_left_out == 0) {
      unfit(described_[i].name, "is missing");
    } else {
      const auto &otherwise = schema_->arguments()[i + 1].default_value();
      values.push_back(otherwise ? *otherwise : c10::IValue());
    }
  }
  return values;
}

c10::IValue Arguments::value(size_t argument, const std::vector<at::Tensor> &tensors,
                             const std::vector<size_t> &own) const {
  const ct_argument &described = described_[argument];
  const at::Tensor &first = tensors[own.front()];
  const bool is_whole = !first.is_floating_point();
  switch (described.kind) {
    case CT_ARGUMENT_TENSOR: return first;
    case CT_ARGUMENT_INT:
      if (first.numel() != 1 || !is_whole) unfit(described.name, "takes one whole number");
      return first.item<int64_t>();
    case CT_ARGUMENT_FLOAT:
      if (first.numel() != 1) unfit(described.name, "takes one number");
      return first.item<double>();
    case CT_ARGUMENT_BOOL:
      if (first.numel() != 1 || first.scalar_type() != at::kBool) unfit(described.name, "takes one truth value");
      return first.item<bool>();
    case CT_ARGUMENT_INTS:
      if (!is_whole) unfit(described.name, "takes whole numbers");
      return list_of<int64_t>(first);
    case CT_ARGUMENT_FLOATS: return list_of<double>(first);
    case CT_ARGUMENT_BOOLS:
      if (first.scalar_type() != at::kBool) unfit(described.name, "takes truth values");
      return list_of<bool>(first);
    case CT_ARGUMENT_TENSORS: {
      c10::List<at::Tensor> list;
      for (size_t place : own) list.push_back(tensors[place]);
      return list;
    }
    case CT_ARGUMENT_TUPLE: {
      std::vector<c10::IValue> elements;
      for (size_t place : own) elements.emplace_back(tensors[place]);
      return c10::ivalue::Tuple::create(std::move(elements));
    }
    case CT_ARGUMENT_DICT: {
      c10::Dict<std::string, at::Tensor> dict;
      for (size_t place : own) dict.insert(places_[place].key, tensors[place]);
      return dict;
    }
    case CT_ARGUMENT_OTHER: break;
  }
  unfit(described.name, "takes no tensor");
}

}  // namespace ctorch
