#include "patterns.h"
#include "rules.h"

#include <algorithm>
#include <torch/csrc/jit/ir/constants.h>

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

/// A tensor in which heads lie side by side, and the shape that makes them a dimension of their own.
struct Joined {
  Node *view = nullptr;
  Value *tensor = nullptr, *shape = nullptr;
};

/// Whether a shape may be that of heads: a list of four that the graph makes, or one whose length it does not tell.
bool may_have_four(const Value *shape) {
  if (!shape->type()->isSubtypeOf(*c10::ListType::ofInts())) return false;
  if (shape->node()->kind() == c10::prim::ListConstruct) return shape->node()->inputs().size() == 4;
  const auto numbers = constant_ints(shape);
  return !numbers || numbers->size() == 4;
}

bool exchanges(const Node *node, const std::vector<std::pair<int64_t, int64_t>> &dimensions) {
  if (node->kind() != Symbol::fromQualString("aten::transpose") || node->inputs().size() != 3) return false;
  for (const auto &pair : dimensions) {
    if (is_constant_int(node->input(1), pair.first) && is_constant_int(node->input(2), pair.second)) return true;
  }
  return false;
}

bool exchanges_rows_and_heads(const Node *node) {
  if (node->kind() == Symbol::fromQualString("aten::permute")) {
    return constant_ints(node->input(1)) == std::vector<int64_t>{0, 2, 1, 3};
  }
  return exchanges(node, {{1, 2}, {2, 1}});
}

/// What `value`, [batch, heads, rows, size], was split from; nothing where it came about otherwise.
c10::optional<Joined> joined(Value *value) {
  Node *exchange = value->node();
  if (!exchanges_rows_and_heads(exchange)) return {};
  for (const char *kind : {"aten::view", "aten::reshape"}) {
    Node *view = producer(exchange->input(0), kind);
    if (view != nullptr && may_have_four(view->input(1))) return Joined{view, view->input(0), view->input(1)};
  }
  return {};
}

/// Finds the one view that the joined heads end in, and the nodes that read their sizes on the way; false where the
/// heads are read in any other way.
bool follow(Value *value, Node *&view, std::vector<Node *> &sizes) {
  for (const auto &use : value->uses()) {
    Node *user = use.user;
    const std::string kind = user->kind().toQualString();
    if (kind == "aten::size" && user->inputs().size() == 2) {
      sizes.push_back(user);
    } else if (kind == "aten::contiguous") {
      if (!follow(user->output(), view, sizes)) return false;
    } else if ((kind == "aten::view" || kind == "aten::reshape") && use.offset == 0 && view == nullptr) {
      view = user;
    } else {
      return false;
    }
  }
  return true;
}

/// The size of the joined heads that `size` reads, from the shape that the model states; null where that may be -1,
/// which stands for what is left.
Value *stated_size(const Node *size, const Value *shape) {
  const auto dimension = torch::jit::constant_as<int64_t>(size->input(1));
  if (!dimension || *dimension < 0 || *dimension > 3) return nullptr;
  if (shape->node()->kind() != c10::prim::ListConstruct || shape->node()->inputs().size() != 4) return nullptr;
  Value *stated = shape->node()->input(static_cast<size_t>(*dimension));
  const auto number = torch::jit::constant_as<int64_t>(stated);
  const bool is_read = stated->node()->kind() == Symbol::fromQualString("aten::size") ||
                       stated->node()->kind() == Symbol::fromQualString("aten::Int");
  return is_read || (number && *number >= 0) ? stated : nullptr;
}

/// Whether `size` reads dimension `at` of one of these.
bool reads_size(const Value *size, const std::vector<const Value *> &of, int64_t at) {
  const Node *node = size->node();
  if (node->kind() != Symbol::fromQualString("aten::size") || node->inputs().size() != 2) return false;
  return std::find(of.begin(), of.end(), node->input(0)) != of.end() &&
         (is_constant_int(node->input(1), at) || is_constant_int(node->input(1), at - 4));
}

/// Whether `reshape` gives the result of attention, [batch, heads, rows, size], the shape that it has: three of its
/// dimensions by name, of the result or of an operand that agrees in it, and what is left.
bool keeps_shape(const Node *reshape, const Node *attention) {
  const Node *list = reshape->input(1)->node();
  if (list->kind() != c10::prim::ListConstruct || list->inputs().size() != 4) return false;
  const Value *out = attention->output(), *q = attention->input(0), *v = attention->input(2);
  const std::vector<std::vector<const Value *>> agreeing{{out, q, v}, {out, q, v}, {out, q}, {out, q, v}};
  int unnamed = 0;
  for (int64_t at = 0; at < 4; at++) {
    const Value *stated = list->input(static_cast<size_t>(at));
    if (is_constant_int(stated, -1)) {
      unnamed++;
    } else if (!reads_size(stated, agreeing[static_cast<size_t>(at)], at)) {
      return false;
    }
  }
  return unnamed <= 1;
}

/// The node that puts rows before heads again, behind `attention` and perhaps a reshaping that changes nothing; null
/// where its result is read in any other way than that. Reads of its sizes are added to `sizes`.
Node *joining(Node *attention, std::vector<Node *> &sizes) {
  Node *end = nullptr;
  for (const auto &use : attention->output()->uses()) {
    if (use.user->kind() == Symbol::fromQualString("aten::size") && use.user->inputs().size() == 2) {
      sizes.push_back(use.user);
    } else if (use.offset != 0 || end != nullptr) {
      return nullptr;
    } else {
      end = use.user;
    }
  }
  if (end == nullptr) return nullptr;
  if (end->kind() == Symbol::fromQualString("aten::reshape")) {
    if (!keeps_shape(end, attention) || !is_read_once(end->output())) return nullptr;
    end = end->output()->uses()[0].user;
  }
  return exchanges_rows_and_heads(end) ? end : nullptr;
}

}  // namespace

void heads(Node *attention) {
  Node *turned = attention->input(1)->node();
  if (!exchanges(turned, {{-1, -2}, {-2, -1}, {2, 3}, {3, 2}})) return;
  const auto q = joined(attention->input(0)), k = joined(turned->input(0)), v = joined(attention->input(2));
  if (!q || !k || !v) return;
  // Sizes of the result as it is before, and as it is behind the exchange of rows and heads.
  std::vector<Node *> before, sizes;
  Node *end = joining(attention, before);
  if (end == nullptr) return;
  Node *view = nullptr;
  if (!follow(end->output(), view, sizes) || view == nullptr) return;
  Node *first = q->view;
  for (Node *other : {k->view, v->view}) {
    if (other->isBefore(first)) first = other;
  }
  if (!nothing_writes_between(first, view)) return;
  std::vector<std::pair<Node *, Value *>> known;
  for (Node *size : before) {
    const auto dimension = torch::jit::constant_as<int64_t>(size->input(1));
    // The batch is where it was.
    if (!dimension || *dimension != 0) return;
    known.emplace_back(size, stated_size(size, q->shape));
  }
  for (Node *size : sizes) known.emplace_back(size, stated_size(size, q->shape));
  for (const auto &one : known) {
    if (one.second == nullptr) return;
  }
  for (const auto &one : known) one.first->output()->replaceAllUsesWith(one.second);
  std::vector<Value *> inputs{q->tensor, k->tensor, v->tensor, q->shape, k->shape, v->shape};
  // Mask and scale before the result's shape, and then how scores become weights.
  inputs.insert(inputs.end(), {attention->input(3), attention->input(4), view->input(1), attention->input(5),
                               attention->input(6)});
  replace(view, insert(view, "planner::attention_of_heads", inputs));
}

}  // namespace ctorch::rules
