// What the layers of a model want of the tensors that they read.
#include "layers.h"

#include <algorithm>
#include <torch/csrc/jit/ir/constants.h>

namespace ctorch {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

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

/// The weight itself, where it is read in its own type.
WeightSize like(const Value *weight) {
  while (is_one_of(weight->node(), {"aten::t", "aten::transpose", "aten::detach"})) weight = weight->node()->input(0);
  const AttributePath path = path_of(weight);
  return path.empty() ? WeightSize{} : WeightSize{path};
}

/// A size of one of several weights.
WeightSize size_of_listed(const Value *weights, size_t element, int64_t dimension) {
  if (weights->node()->kind() != c10::prim::ListConstruct) {
    WeightSize size = size_of(weights, dimension);
    size.element = element;
    return size;
  }
  return element < weights->node()->inputs().size() ? size_of(weights->node()->input(element), dimension)
                                                     : WeightSize{};
}

/// Groups of a convolution; 1 where the code does not say, or says what none has.
int64_t groups(const Value *value) {
  const auto constant = torch::jit::constant_as<int64_t>(value);
  return constant && *constant > 0 && *constant < (1 << 20) ? *constant : 1;
}

bool is_true(const Value *value) {
  const auto constant = torch::jit::constant_as<bool>(value);
  return constant && *constant;
}

/// Dimensions in a layer's name, as 2 of `conv2d`, with those of rows and channels; 0 where there are none.
int64_t named_dimensions(const Node *node) {
  const std::string name = node->kind().toUnqualString();
  const size_t end = name.rfind('d');
  const bool is_number = end != std::string::npos && end > 0 && name[end - 1] >= '1' && name[end - 1] <= '3';
  return is_number ? name[end - 1] - '0' + 2 : 0;
}

bool convolution(const Node *node, size_t offset, TensorUse &use) {
  const auto inputs = node->inputs();
  if (is_one_of(node, {"aten::conv1d", "aten::conv2d", "aten::conv3d"}) && offset == 0) {
    use.second = size_of(inputs[1], 1, groups(inputs[6]));
  } else if (is_one_of(node, {"aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d"}) &&
             offset == 0) {
    use.second = size_of(inputs[1], 0);
  } else if (is_one_of(node, {"aten::_convolution"}) && offset == 0) {
    const auto strides = constant_ints(inputs[3]);
    const bool is_transposed = is_true(inputs[6]);
    if (strides) use.dimension_count = static_cast<int64_t>(strides->size()) + 2;
    use.second = size_of(inputs[1], is_transposed ? 0 : 1, is_transposed ? 1 : groups(inputs[8]));
  } else {
    return false;
  }
  if (use.dimension_count == 0) use.dimension_count = named_dimensions(node);
  use.like = like(inputs[1]);
  return true;
}

bool product(const Node *node, size_t offset, TensorUse &use) {
  const auto inputs = node->inputs();
  if (is_one_of(node, {"aten::linear"}) && offset == 0) {
    use.last = size_of(inputs[1], 1);
    use.like = like(inputs[1]);
  } else if (is_one_of(node, {"planner::linear_int8", "planner::linear_bfloat16"}) && offset == 0) {
    use.last = size_of(inputs[1], 1);
  } else if (is_one_of(node, {"aten::matmul", "aten::mm"}) && offset == 0) {
    use.last = size_of(inputs[1], 0);
    use.like = like(inputs[1]);
  } else if (is_one_of(node, {"aten::addmm"}) && offset == 1) {
    use.last = size_of(inputs[2], 0);
    use.like = like(inputs[2]);
  } else if (is_one_of(node, {"aten::bilinear"}) && offset < 2) {
    use.last = size_of(inputs[2], static_cast<int64_t>(offset) + 1);
    use.like = like(inputs[2]);
  } else {
    return false;
  }
  return true;
}

bool normalization(const Node *node, size_t offset, TensorUse &use) {
  const auto inputs = node->inputs();
  if (offset != 0) return false;
  if (is_one_of(node, {"aten::batch_norm", "aten::instance_norm"})) {
    use.second = size_of(inputs[3], 0);
    if (!use.second.is_known()) use.second = size_of(inputs[1], 0);
  } else if (is_one_of(node, {"aten::group_norm"})) {
    use.second = size_of(inputs[2], 0);
  } else if (is_one_of(node, {"aten::layer_norm"})) {
    const auto shape = constant_ints(inputs[1]);
    if (shape && !shape->empty()) use.last = {{}, shape->back()};
  } else {
    return false;
  }
  return true;
}

/// A layer with state: the tensor that it goes through, and what it begins with.
bool recurrent(const Node *node, size_t offset, int64_t element, TensorUse &use) {
  if (!is_one_of(node, {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"})) return false;
  const auto inputs = node->inputs();
  // Of packed rows the numbers come second.
  const bool is_packed = inputs[3]->type()->kind() == c10::TypeKind::ListType;
  const size_t state = is_packed ? 2 : 1;
  const Value *weights = inputs[state + 1];
  if (offset == 0) {
    use.dimension_count = is_packed ? 2 : 3;
    use.last = size_of_listed(weights, 0, 1);
    use.row_dimension = is_packed || is_true(inputs[8]) ? 0 : 1;
  } else if (offset == state) {
    const auto layers = torch::jit::constant_as<int64_t>(inputs[state + 3]);
    use.dimension_count = 3;
    if (layers && *layers > 0 && *layers < 1024) use.first = {{}, *layers * (is_true(inputs[state + 6]) ? 2 : 1)};
    use.row_dimension = 1;
    use.last = size_of_listed(weights, 1, 1);
    if (element == 1) {
      // Four gates, as wide as the cell even where the state is projected.
      use.last = size_of_listed(weights, 1, 0);
      use.last.divisor = 4;
    }
  } else {
    return false;
  }
  use.like = size_of_listed(weights, 0, 0);
  return true;
}

/// Elements that choose, count or hide others.
bool choice(const Node *node, size_t offset, int64_t element, TensorUse &use) {
  const auto inputs = node->inputs();
  if (is_one_of(node, {"aten::embedding", "aten::embedding_bag"}) && offset == 1) {
    use.role = Role::kIds;
    use.rows = size_of(inputs[0], 0);
    if (is_one_of(node, {"aten::embedding_bag"})) use.dimension_count = 1;
  } else if (is_one_of(node, {"aten::embedding_bag"}) && offset == 2) {
    use.role = Role::kStarts;
    use.dimension_count = 1;
  } else if (is_one_of(node, {"aten::_pack_padded_sequence"}) && offset == 1) {
    use.role = Role::kLengths;
    use.dimension_count = 1;
    use.measured_dimension = is_true(inputs[2]) ? 1 : 0;
  } else if (is_one_of(node, {"aten::gather", "aten::index_select"}) && offset == 2) {
    use.role = Role::kPlaces;
    if (is_one_of(node, {"aten::index_select"})) use.dimension_count = 1;
  } else if (is_one_of(node, {"aten::index"}) && offset == 1 && element >= 0) {
    use.role = Role::kPlaces;
    use.rows = size_of(inputs[0], element);
  } else if (is_one_of(node, {"aten::one_hot"}) && offset == 0) {
    use.role = Role::kPlaces;
    const auto classes = torch::jit::constant_as<int64_t>(inputs[1]);
    if (classes && *classes > 0) use.rows = {{}, *classes};
  } else if (is_one_of(node, {"aten::to"}) && offset == 0 &&
             (is_constant_int(inputs[1], kInt64) || (inputs.size() > 2 && is_constant_int(inputs[2], kInt64)))) {
    // Nobody makes whole numbers of others to read them as they are.
    use.role = Role::kPlaces;
  } else if (is_one_of(node, {"aten::masked_fill", "aten::masked_fill_"}) && offset == 1) {
    use.role = Role::kTruths;
  } else {
    return false;
  }
  return true;
}

/// The number of dimensions that code compares a tensor's with.
int64_t asked_dimensions(const Node *node, size_t offset) {
  if (!is_one_of(node, {"aten::dim"}) || offset != 0) return 0;
  int64_t most = 0;
  for (const auto &reader : node->output()->uses()) {
    if (is_one_of(reader.user, {"aten::eq", "aten::ne"})) {
      const auto number = torch::jit::constant_as<int64_t>(reader.user->input(1 - reader.offset));
      if (number) most = std::max(most, *number);
    } else if (is_one_of(reader.user, {"aten::__contains__"}) && reader.offset == 1) {
      for (int64_t number : constant_ints(reader.user->input(0)).value_or(std::vector<int64_t>{}))
        most = std::max(most, number);
    }
  }
  return most <= 5 ? most : 0;
}

}  // namespace

bool is_one_of(const Node *node, std::initializer_list<const char *> kinds) {
  return std::any_of(kinds.begin(), kinds.end(),
                     [&](const char *kind) { return node->kind() == Symbol::fromQualString(kind); });
}

TensorUse wanted_by(const Node *node, size_t offset, int64_t element) {
  TensorUse use;
  if (choice(node, offset, element, use) || recurrent(node, offset, element, use)) return use;
  if (element >= 0) return use;
  if (convolution(node, offset, use) || product(node, offset, use) || normalization(node, offset, use)) return use;
  use.asked_dimension_count = asked_dimensions(node, offset);
  return use;
}

void add(const TensorUse &other, TensorUse &use) {
  if (other.role > use.role) {
    use.role = other.role;
    use.rows = other.rows;
    use.measured_dimension = other.measured_dimension;
  }
  use.asked_dimension_count = std::max(use.asked_dimension_count, other.asked_dimension_count);
  // Code that may add a dimension takes the tensor with it, too.
  const bool is_smaller = other.dimension_count > 0 && other.dimension_count < use.dimension_count;
  if (other.dimension_count > use.dimension_count) {
    if (use.dimension_count > 0) use.first = use.second = {};
    use.dimension_count = other.dimension_count;
    use.row_dimension = other.row_dimension;
  }
  for (const auto &size : {&TensorUse::first, &TensorUse::second, &TensorUse::last, &TensorUse::like}) {
    if (is_smaller && (size == &TensorUse::first || size == &TensorUse::second)) continue;
    if (!(use.*size).is_known()) use.*size = other.*size;
  }
}

}  // namespace ctorch
