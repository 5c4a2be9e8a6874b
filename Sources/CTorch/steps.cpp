// What code does with a tensor on its way to a layer, and what that makes of the layer's wishes.
#include "steps.h"
#include "layers.h"

#include <algorithm>
#include <numeric>
#include <torch/csrc/jit/ir/constants.h>

namespace ctorch {

using torch::jit::Node;

namespace {

/// Operators whose answer has the shape of their first operand, as long as the others are no larger.
bool keeps_shape(const Node *node) {
  return is_one_of(node, {"aten::contiguous", "aten::dropout", "aten::clone", "aten::detach", "aten::relu",
                          "aten::relu_", "aten::sigmoid", "aten::tanh", "aten::gelu", "aten::add", "aten::sub",
                          "aten::mul", "aten::div", "aten::silu", "aten::masked_fill", "aten::neg", "aten::abs",
                          "aten::clamp", "aten::alias", "prim::unchecked_cast", "prim::unchecked_unwrap_optional"});
}

c10::optional<std::vector<int64_t>> constants(const Node *node, size_t from, size_t count) {
  std::vector<int64_t> numbers;
  for (size_t i = from; i < from + count; i++) {
    const auto number = torch::jit::constant_as<int64_t>(node->input(i));
    if (!number) return {};
    numbers.push_back(*number);
  }
  return numbers;
}

Step known(Step::Kind kind, const c10::optional<std::vector<int64_t>> &order) {
  return order ? Step{kind, *order} : Step{Step::Kind::kReshapes, {}};
}

TensorUse permuted(const TensorUse &after, const std::vector<int64_t> &order) {
  TensorUse use = after;
  const auto count = static_cast<int64_t>(order.size());
  use.first = use.second = use.last = {};
  auto put = [&](const WeightSize &size, int64_t place) {
    const int64_t from = place >= 0 && place < count ? order[static_cast<size_t>(place)] : -1;
    if (!size.is_known() || from < 0) return;
    if (from == count - 1) use.last = size;
    if (from == 0 && count > 1) use.first = size;
    if (from == 1 && count > 2) use.second = size;
  };
  put(after.first, 0);
  put(after.second, 1);
  put(after.last, count - 1);
  if (after.row_dimension < count)
    use.row_dimension = std::max<int64_t>(0, order[static_cast<size_t>(after.row_dimension)]);
  return use;
}

TensorUse swapped(const TensorUse &after, std::vector<int64_t> places) {
  const int64_t least = std::max<int64_t>(3, 1 + *std::max_element(places.begin(), places.end()));
  const int64_t count = after.dimension_count > 0 ? after.dimension_count : least;
  for (int64_t &place : places) place += place < 0 ? count : 0;
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  if (std::any_of(places.begin(), places.end(), [&](int64_t place) { return place < 0 || place >= count; }))
    return Step{Step::Kind::kReshapes, {}}.before(after);
  std::swap(order[static_cast<size_t>(places[0])], order[static_cast<size_t>(places[1])]);
  return permuted(after, order);
}

TensorUse without(const TensorUse &after, int64_t place) {
  TensorUse use = after;
  const int64_t count = after.dimension_count;
  if (place < -1) return Step{Step::Kind::kReshapes, {}}.before(after);
  use.dimension_count = std::max<int64_t>(0, count - 1);
  use.asked_dimension_count = std::max<int64_t>(0, after.asked_dimension_count - 1);
  if (place == -1 || (count > 0 && place == count - 1)) use.last = {};
  if (place == 0) use.first = count > 0 ? after.second : WeightSize{};
  if (place == 0 || place == 1) use.second = {};
  if (place == after.row_dimension) use.row_dimension = 0;
  if (place >= 0 && place < after.row_dimension) use.row_dimension = after.row_dimension - 1;
  return use;
}

}  // namespace

c10::optional<Step> Step::of(const Node *node, size_t offset) {
  using Kind = Step::Kind;
  if (is_one_of(node, {"aten::embedding"}) && offset == 1) return Step{Kind::kEmbeds, {}};
  if (offset != 0) return {};
  if (keeps_shape(node)) return Step{Kind::kResizes, {}};
  if (is_one_of(node, {"aten::to", "aten::type_as", "aten::as_tensor"})) return Step{Kind::kCasts, {}};
  if (is_one_of(node, {"aten::index_select", "aten::slice", "aten::sort"})) return Step{Kind::kResizes, {}};
  if (is_one_of(node, {"aten::unsqueeze"})) return known(Kind::kWidens, constants(node, 1, 1));
  if (is_one_of(node, {"aten::transpose"})) return known(Kind::kSwaps, constants(node, 1, 2));
  if (is_one_of(node, {"aten::t"})) return Step{Kind::kSwaps, {0, 1}};
  if (is_one_of(node, {"aten::permute"})) return known(Kind::kPermutes, constant_ints(node->input(1)));
  if (is_one_of(node, {"aten::_pack_padded_sequence"})) {
    const auto is_batch_first = torch::jit::constant_as<bool>(node->input(2));
    return Step{Kind::kPacks, {is_batch_first && *is_batch_first ? 0 : 1}};
  }
  if (is_one_of(node, {"aten::view", "aten::reshape", "aten::flatten", "aten::squeeze", "aten::select", "aten::expand",
                       "aten::repeat"}))
    return Step{Kind::kReshapes, {}};
  return {};
}

TensorUse Step::before(const TensorUse &after) const {
  TensorUse use = after;
  switch (kind) {
    case Kind::kCasts: use.like = {}; return use;
    case Kind::kResizes: return use;
    case Kind::kPermutes: {
      std::vector<int64_t> places = order;
      for (int64_t &place : places) place += place < 0 ? static_cast<int64_t>(places.size()) : 0;
      use = permuted(after, places);
      use.dimension_count = static_cast<int64_t>(places.size());
      return use;
    }
    case Kind::kSwaps: return swapped(after, order);
    case Kind::kWidens: return without(after, order[0]);
    case Kind::kEmbeds:
      use.dimension_count = std::max<int64_t>(0, after.dimension_count - 1);
      use.asked_dimension_count = 0;
      // Of two dimensions the second is the embedding's.
      if (after.dimension_count == 2) use.second = {};
      use.last = use.like = {};
      return use;
    case Kind::kPacks:
      use.dimension_count = after.dimension_count > 0 ? after.dimension_count + 1 : 0;
      use.row_dimension = order[0];
      use.first = use.second = {};
      return use;
    case Kind::kReshapes: break;
  }
  TensorUse rest;
  rest.role = after.role;
  rest.rows = after.rows;
  rest.measured_dimension = after.measured_dimension;
  rest.like = after.like;
  return rest;
}

}  // namespace ctorch
