// What a model returns, as named tensors.
#include "answer.h"
#include "element_types.h"

#include <stdexcept>

namespace ctorch {

namespace {

/// Outputs leave as one of the types of the interface: half floats as float32.
at::Tensor portable(const at::Tensor &tensor, ct_dtype &dtype) {
  if (tensor.is_quantized())
    throw std::runtime_error("an output is quantized, for which there is no type; answer with .dequantize()");
  if (tensor.layout() != at::kStrided)
    throw std::runtime_error("an output is not dense, for which there is no type; answer with .to_dense()");
  at::Tensor result = tensor.device().is_cpu() ? tensor : tensor.cpu();
  if (!shim_type(result.scalar_type(), dtype) || dtype == CT_FLOAT16 || dtype == CT_BFLOAT16) {
    if (result.is_complex())
      throw std::runtime_error(
          "an output has complex numbers, for which there is no type; answer with torch.view_as_real");
    dtype = at::isFloatingType(result.scalar_type()) ? CT_FLOAT32 : CT_INT64;
    result = result.to(dtype == CT_FLOAT32 ? at::kFloat : at::kLong);
  }
  return result.contiguous();
}

void append(ct_result &result, const at::Tensor &tensor, const std::string &name) {
  ct_tensor view{};
  at::Tensor owned = portable(tensor, view.dtype);
  if (owned.dim() > CT_MAX_DIMENSIONS) throw std::runtime_error("an output has more than 8 dimensions");
  view.dimension_count = static_cast<int32_t>(owned.dim());
  for (int64_t i = 0; i < owned.dim(); i++) view.dimensions[i] = owned.size(i);
  view.data = owned.data_ptr();
  view.byte_count = owned.nbytes();
  result.storage.push_back(std::move(owned));
  result.tensors.push_back(view);
  // Where something before it may be None, the next must not take its name.
  const bool is_moved = name.empty() && result.left_out > 0;
  result.names.push_back(is_moved ? "output_" + std::to_string(result.tensors.size() - 1 + result.left_out) : name);
}

/// Where in the answer a value stands. Places in tuples and lists are numbers; what has no other name on its way is
/// told by its number alone, which is the caller's to give.
struct Path {
  std::string text;
  bool is_named = false;

  Path at(size_t place) const {
    const std::string number = std::to_string(place);
    return {text.empty() ? "output_" + number : text + "." + number, is_named};
  }
  Path named(const std::string &name) const { return {text.empty() ? name : text + "." + name, true}; }
  std::string name() const { return is_named ? text : ""; }
};

/// The part of a type that an element has; null where the type does not say.
c10::TypePtr part(const c10::TypePtr &type, size_t index) {
  return type != nullptr && index < type->containedTypes().size() ? type->containedTypes()[index] : nullptr;
}

void collect(ct_result &result, const c10::IValue &value, c10::TypePtr type, const Path &path);

void collect_tuple(ct_result &result, const c10::IValue &value, c10::TypePtr type, const Path &path) {
  const auto &elements = value.toTupleRef().elements();
  // Where the code's type is wider, as that of an Optional is, the value has its own.
  if (type == nullptr || type->cast<c10::TupleType>() == nullptr) type = value.type();
  const auto tuple = type->cast<c10::TupleType>();
  const auto schema = tuple == nullptr ? nullptr : tuple->schema();
  for (size_t i = 0; i < elements.size(); i++) {
    const bool has_name = schema != nullptr && i < schema->arguments().size();
    collect(result, elements[i], part(type, i), has_name ? path.named(schema->arguments()[i].name()) : path.at(i));
  }
}

void collect(ct_result &result, const c10::IValue &value, c10::TypePtr type, const Path &path) {
  if (type != nullptr && type->kind() == c10::TypeKind::OptionalType) type = part(type, 0);
  if (value.isTensor()) {
    if (value.toTensor().defined())
      append(result, value.toTensor(), path.name());
    else
      result.left_out++;
  } else if (value.isDouble()) {
    append(result, at::full({1}, value.toDouble(), at::kDouble), path.name());
  } else if (value.isInt()) {
    append(result, at::full({1}, value.toInt(), at::kLong), path.name());
  } else if (value.isBool()) {
    append(result, at::full({1}, value.toBool(), at::kBool), path.name());
  } else if (value.isTuple()) {
    collect_tuple(result, value, type, path);
  } else if (value.isIntList()) {
    append(result, at::tensor(value.toIntVector(), at::kLong), path.name());
  } else if (value.isDoubleList()) {
    append(result, at::tensor(value.toDoubleVector(), at::kDouble), path.name());
  } else if (value.isBoolList()) {
    at::Tensor truths = at::empty({static_cast<int64_t>(value.toBoolList().size())}, at::kBool);
    for (int64_t i = 0; i < truths.numel(); i++) truths[i] = static_cast<bool>(value.toBoolList().get(i));
    append(result, truths, path.name());
  } else if (value.isList()) {
    size_t place = 0;
    for (const c10::IValue &element : value.toList()) collect(result, element, part(type, 0), path.at(place++));
  } else if (value.isGenericDict()) {
    size_t place = 0;
    for (const auto &entry : value.toGenericDict()) {
      const c10::IValue &key = entry.key();
      const Path own = key.isString() ? path.named(key.toStringRef())
                       : key.isInt()  ? path.named(std::to_string(key.toInt()))
                                      : path.at(place);
      collect(result, entry.value(), part(type, 1), own);
      place++;
    }
  } else if (value.isNone()) {
    result.left_out++;
  } else {
    throw std::runtime_error("an output is of type " + value.tagKind() + ", for which the protocol has no tensor");
  }
}

}  // namespace

void collect(ct_result &result, const c10::IValue &value, const c10::TypePtr &type) {
  collect(result, value, type, Path{});
}

}  // namespace ctorch
