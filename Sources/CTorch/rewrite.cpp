// Rewriting a model's graph when it is loaded: files stay plain TorchScript that any libtorch runs.
#include "rewrite.h"

#include <map>
#include <set>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/common_subexpression_elimination.h>
#include <torch/csrc/jit/passes/constant_pooling.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

namespace ctorch {

using torch::jit::Graph;
using torch::jit::Node;
using torch::jit::Symbol;
using torch::jit::Value;

namespace {

constexpr int64_t kFloat32 = 6;  // as TorchScript writes the type

/// Replacing nodes moves what they read to where the last of them stands: right only where nothing in between writes.
bool nothing_writes_between(const Node *first, const Node *last, const Node *but = nullptr) {
  if (first->owningBlock() != last->owningBlock()) return false;
  for (const Node *node = first->next(); node != last; node = node->next()) {
    if (node == but) continue;
    if (node->kind() == c10::prim::Return || !node->blocks().empty()) return false;
    const auto *schema = node->maybeSchema();
    if (schema != nullptr && schema->is_mutable()) return false;
    const bool is_known = schema != nullptr || node->kind() == c10::prim::GetAttr ||
                          node->kind() == c10::prim::Constant || node->kind() == c10::prim::ListConstruct ||
                          node->kind() == c10::prim::TupleConstruct || node->kind() == c10::prim::ListUnpack ||
                          node->kind() == c10::prim::TupleUnpack;
    if (!is_known) return false;
  }
  return true;
}

bool is_read_once(const Value *value) { return value->uses().size() == 1; }

class Rewriter {
 public:
  explicit Rewriter(std::shared_ptr<Graph> graph) : graph_(std::move(graph)) {}

  RewrittenForward run() {
    each("aten::linear", [this](Node *node) { linear(node); });
    each("aten::gelu", [this](Node *node) { gelu(node); });
    each("aten::layer_norm", [this](Node *node) { embedding(node); });
    each("aten::layer_norm", [this](Node *node) { normalization(node); });
    each("aten::Int", [](Node *node) { number(node); });
    each("aten::matmul", [this](Node *node) { attention(node); });
    each("planner::attention", [this](Node *node) { heads(node); });
    tidy();
    graph_->lint();
    return {graph_, packable()};
  }

 private:
  /// What the library's executor would do as well.
  void tidy() {
    torch::jit::runRequiredPasses(graph_);
    torch::jit::ConstantPropagation(graph_);
    torch::jit::PeepholeOptimize(graph_);
    torch::jit::EliminateCommonSubexpression(graph_);
    torch::jit::ConstantPooling(graph_);
    torch::jit::EliminateDeadCode(graph_);
  }

  /// Offers every node of that kind, in order; the rewriting of one removes nodes before it, never after.
  template <typename Body> void each(const char *kind, Body body) {
    std::vector<Node *> found;
    for (Node *node : graph_->block()->nodes()) {
      if (node->kind() == Symbol::fromQualString(kind)) found.push_back(node);
    }
    for (Node *node : found) body(node);
  }

  Value *constant(Node *before, const c10::IValue &value) {
    torch::jit::WithInsertPoint guard(before);
    return graph_->insertConstant(value);
  }

  /// A tensor attribute behind a conversion to float32; null where it is none.
  static Value *widened_attribute(Value *value) {
    Node *to = producer(value, "aten::to");
    if (to == nullptr || to->inputs().size() < 2 || !is_constant_int(to->input(1), kFloat32)) return nullptr;
    return is_tensor_attribute(to->input(0)) ? to->input(0) : nullptr;
  }

  void linear(Node *linear) {
    Value *weight = linear->input(1);
    if (Value *narrow = widened_attribute(weight)) {
      Value *no_gelu = constant(linear, false);
      replace(linear, insert(linear, "planner::linear_bfloat16",
                             {linear->input(0), narrow, linear->input(2), no_gelu}));
      return;
    }
    if (is_tensor_attribute(weight)) {
      Value *no_gelu = constant(linear, false);
      replace(linear, insert(linear, "planner::linear_float32",
                             {linear->input(0), weight, linear->input(2), no_gelu}));
      return;
    }
    Node *product = producer(weight, "aten::mul");
    if (product == nullptr) return;
    Value *codes = widened_attribute(product->input(0));
    if (codes == nullptr || !is_tensor_attribute(product->input(1))) return;
    Value *no_gelu = constant(linear, false);
    replace(linear, insert(linear, "planner::linear_int8",
                           {linear->input(0), codes, product->input(1), linear->input(2), no_gelu}));
  }

  static bool is_false(const Value *value) {
    const auto flag = torch::jit::toIValue(value);
    return flag && flag->isBool() && !flag->toBool();
  }

  void gelu(Node *gelu) {
    if (gelu->inputs().size() != 2) return;
    const auto form = torch::jit::toIValue(gelu->input(1));
    if (!form || !form->isString() || form->toStringRef() != "none" || !is_read_once(gelu->input(0))) return;
    Value *before = gelu->input(0);
    if (!nothing_writes_between(before->node(), gelu)) return;
    for (const char *kind : {"planner::linear_float32", "planner::linear_bfloat16", "planner::linear_int8"}) {
      Node *linear = producer(before, kind);
      // Its own output is activated already where the flag is set.
      if (linear == nullptr || !is_false(linear->inputs().back())) continue;
      std::vector<Value *> inputs = linear->inputs().vec();
      inputs.back() = constant(gelu, true);
      replace(gelu, insert(gelu, kind, inputs));
      return;
    }
  }

  /// A sum of two in which nothing is scaled, made anew or in the place of the first; null where `value` is none.
  static Node *sum_of_two(const Value *value) {
    for (const char *kind : {"aten::add", "aten::add_"}) {
      Node *sum = producer(value, kind);
      if (sum != nullptr && sum->inputs().size() == 3 && is_constant_int(sum->input(2), 1) && is_read_once(value) &&
          is_tensor(sum->input(0)) && is_tensor(sum->input(1)))
        return sum;
    }
    return nullptr;
  }

  /// Words, types and positions are looked up, summed and normalized in one pass over memory.
  void embedding(Node *norm) {
    if (!is_tensor_attribute(norm->input(2)) || !is_tensor_attribute(norm->input(3))) return;
    std::vector<Value *> parts;
    Node *in_place = nullptr;
    Value *left = norm->input(0);
    while (Node *sum = sum_of_two(left)) {
      if (sum->kind() == Symbol::fromQualString("aten::add_")) {
        if (in_place != nullptr) return;
        in_place = sum;
      }
      parts.insert(parts.begin(), sum->input(1));
      left = sum->input(0);
    }
    parts.insert(parts.begin(), left);
    std::vector<Value *> tables, ids;
    Node *first = norm;
    Value *plus = nullptr;
    for (Value *part : parts) {
      Node *lookup = producer(part, "aten::embedding");
      if (plus != nullptr) return;
      if (lookup == nullptr || !is_read_once(part) || !is_tensor_attribute(lookup->input(0))) {
        plus = part;
        continue;
      }
      tables.push_back(lookup->input(0));
      ids.push_back(lookup->input(1));
      if (lookup->owningBlock() != norm->owningBlock()) return;
      if (lookup->isBefore(first)) first = lookup;
    }
    // What is written to in place is then what a lookup or a sum has just made, and nobody else reads.
    if (tables.empty() || parts.size() < 2 || !nothing_writes_between(first, norm, in_place)) return;
    Value *more = plus == nullptr ? constant(norm, c10::IValue()) : plus;
    replace(norm, insert(norm, "planner::embed_normalize",
                         {list(norm, tables), list(norm, ids), more, norm->input(1), norm->input(2), norm->input(3),
                          norm->input(4)}));
  }

  Value *list(Node *before, const std::vector<Value *> &tensors) {
    torch::jit::WithInsertPoint guard(before);
    return graph_->insertNode(graph_->createList(c10::TensorType::get(), tensors))->output();
  }

  /// A number that a trace took through a tensor, and perhaps added nought to.
  static void number(Node *taken) {
    Node *sum = producer(taken->input(0), "aten::add");
    const bool is_plus_nought = sum != nullptr && sum->inputs().size() == 3 && constant_number(sum->input(1)) == 0.0;
    Node *made = producer(is_plus_nought ? sum->input(0) : taken->input(0), "prim::NumToTensor");
    if (made != nullptr && made->input(0)->type()->isSubtypeOf(*c10::IntType::get())) replace(taken, made->input(0));
  }

  void normalization(Node *norm) {
    Node *sum = sum_of_two(norm->input(0));
    if (sum == nullptr || sum->kind() != Symbol::fromQualString("aten::add") ||
        !is_tensor_attribute(norm->input(2)) || !is_tensor_attribute(norm->input(3)))
      return;
    if (!nothing_writes_between(sum, norm)) return;
    replace(norm, insert(norm, "planner::add_normalize",
                         {sum->input(0), sum->input(1), norm->input(1), norm->input(2), norm->input(3),
                          norm->input(4)}));
  }

  void attention(Node *context) {
    Node *softmax = producer(context->input(0), "aten::softmax");
    if (softmax == nullptr || !is_read_once(softmax->output()) || !is_none(softmax->input(2)) ||
        !is_constant_int(softmax->input(1), -1))
      return;
    Value *scores = softmax->input(0);
    Value *mask = nullptr;
    Node *add = producer(scores, "aten::add");
    if (add != nullptr && add->inputs().size() == 3 && is_constant_int(add->input(2), 1) && is_tensor(add->input(1)) &&
        is_read_once(scores)) {
      mask = add->input(1);
      scores = add->input(0);
    }
    double scale = 1;
    for (const char *kind : {"aten::div", "aten::mul"}) {
      Node *scaling = producer(scores, kind);
      if (scaling == nullptr || scaling->inputs().size() != 2 || !is_read_once(scores)) continue;
      const auto factor = constant_number(scaling->input(1));
      if (!factor) return;
      scale = std::string(kind) == "aten::div" ? 1 / *factor : *factor;
      scores = scaling->input(0);
      break;
    }
    Node *product = producer(scores, "aten::matmul");
    if (product == nullptr || !is_read_once(scores) || !nothing_writes_between(product, context)) return;
    Value *no_mask = mask == nullptr ? constant(context, c10::IValue()) : mask;
    replace(context, insert(context, "planner::attention",
                            {product->input(0), product->input(1), context->input(1), no_mask,
                             constant(context, scale)}));
  }

  /// A tensor in which heads lie side by side, and the shape that makes them a dimension of their own.
  struct Joined {
    Node *view = nullptr;
    Value *tensor = nullptr, *shape = nullptr;
  };

  /// Whether a shape may be that of heads: a list that the graph makes of four, or one that it does not tell of.
  static bool may_have_four(const Value *shape) {
    if (!shape->type()->isSubtypeOf(*c10::ListType::ofInts())) return false;
    if (shape->node()->kind() == c10::prim::ListConstruct) return shape->node()->inputs().size() == 4;
    const auto numbers = constant_ints(shape);
    return !numbers || numbers->size() == 4;
  }

  /// What `value`, [batch, heads, rows, size], was taken apart from; nothing where it came about otherwise.
  static c10::optional<Joined> joined(Value *value) {
    Node *exchange = value->node();
    if (!exchanges_rows_and_heads(exchange)) return {};
    for (const char *kind : {"aten::view", "aten::reshape"}) {
      Node *view = producer(exchange->input(0), kind);
      if (view != nullptr && may_have_four(view->input(1))) return Joined{view, view->input(0), view->input(1)};
    }
    return {};
  }

  static bool exchanges_rows_and_heads(const Node *node) {
    if (node->kind() == Symbol::fromQualString("aten::permute")) {
      return constant_ints(node->input(1)) == std::vector<int64_t>{0, 2, 1, 3};
    }
    return exchanges(node, {{1, 2}, {2, 1}});
  }

  static bool exchanges(const Node *node, const std::vector<std::pair<int64_t, int64_t>> &dimensions) {
    if (node->kind() != Symbol::fromQualString("aten::transpose") || node->inputs().size() != 3) return false;
    for (const auto &pair : dimensions) {
      if (is_constant_int(node->input(1), pair.first) && is_constant_int(node->input(2), pair.second)) return true;
    }
    return false;
  }

  /// Takes the splitting into heads and the joining of them into the attention itself: they only say where things lie.
  void heads(Node *attention) {
    Node *turned = attention->input(1)->node();
    if (!exchanges(turned, {{-1, -2}, {-2, -1}, {2, 3}, {3, 2}})) return;
    const auto q = joined(attention->input(0)), k = joined(turned->input(0)), v = joined(attention->input(2));
    if (!q || !k || !v || !is_read_once(attention->output())) return;
    Node *end = attention->output()->uses()[0].user;
    if (!exchanges_rows_and_heads(end)) return;
    Node *view = nullptr;
    std::vector<Node *> sizes;
    if (!follow(end->output(), view, sizes) || view == nullptr) return;
    Node *first = q->view;
    for (Node *other : {k->view, v->view}) {
      if (other->isBefore(first)) first = other;
    }
    if (!nothing_writes_between(first, view)) return;
    std::vector<Value *> known;
    for (Node *size : sizes) known.push_back(stated_size(size, q->shape));
    if (std::find(known.begin(), known.end(), nullptr) != known.end()) return;
    for (size_t i = 0; i < sizes.size(); i++) sizes[i]->output()->replaceAllUsesWith(known[i]);
    replace(view, insert(view, "planner::attention_of_heads",
                         {q->tensor, k->tensor, v->tensor, q->shape, k->shape, v->shape, attention->input(3),
                          attention->input(4), view->input(1)}));
  }

  /// Finds the one view that the joined heads end in, and whoever asks for their sizes on the way; false where there is
  /// anybody else.
  static bool follow(Value *value, Node *&view, std::vector<Node *> &sizes) {
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

  /// The size that `size` asks the joined heads for, from the shape that the model stated; null where that may say
  /// "whatever is left".
  static Value *stated_size(const Node *size, const Value *shape) {
    const auto dimension = torch::jit::constant_as<int64_t>(size->input(1));
    if (!dimension || *dimension < 0 || *dimension > 3) return nullptr;
    if (shape->node()->kind() != c10::prim::ListConstruct || shape->node()->inputs().size() != 4) return nullptr;
    Value *stated = shape->node()->input(static_cast<size_t>(*dimension));
    const auto number = torch::jit::constant_as<int64_t>(stated);
    const bool is_asked = stated->node()->kind() == Symbol::fromQualString("aten::size") ||
                          stated->node()->kind() == Symbol::fromQualString("aten::Int");
    return is_asked || (number && *number >= 0) ? stated : nullptr;
  }

  static bool is_tensor(const Value *value) { return value->type()->isSubtypeOf(*c10::TensorType::get()); }
  static bool is_tensor_attribute(const Value *value) { return is_tensor(value) && !path_of(value).empty(); }

  /// Weights that nothing reads but the rewritten layers, by whatever path.
  std::vector<PackableWeight> packable() const {
    std::map<AttributePath, PackableWeight> wanted;
    std::set<AttributePath> refused;
    collect(graph_->block(), wanted, refused);
    std::vector<PackableWeight> found;
    for (const auto &one : wanted) {
      if (refused.count(one.first) == 0) found.push_back(one.second);
    }
    return found;
  }

  static void collect(const torch::jit::Block *block, std::map<AttributePath, PackableWeight> &wanted,
                      std::set<AttributePath> &refused) {
    for (const Node *node : block->nodes()) {
      for (const torch::jit::Block *inner : node->blocks()) collect(inner, wanted, refused);
      if (node->kind() != c10::prim::GetAttr) continue;
      const AttributePath path = path_of(node->output());
      for (const auto &use : node->output()->uses()) {
        const bool is_bf16 = use.user->kind() == Symbol::fromQualString("planner::linear_bfloat16");
        const bool is_int8 = use.user->kind() == Symbol::fromQualString("planner::linear_int8");
        if ((is_bf16 || is_int8) && use.offset == 1) {
          const WeightKind kind = is_int8 ? WeightKind::kInt8 : WeightKind::kBFloat16;
          PackableWeight &weight = wanted.emplace(path, PackableWeight{path, kind, {}}).first->second;
          if (weight.kind != kind) refused.insert(path);
          if (!is_int8) continue;
          const AttributePath scales = path_of(use.user->input(2));
          if (scales.empty()) refused.insert(path);
          weight.scales.insert(scales);
        } else if (use.user->kind() != c10::prim::GetAttr) {
          refused.insert(path);
        }
      }
    }
  }

  std::shared_ptr<Graph> graph_;
};

}  // namespace

RewrittenForward rewrite_forward(const torch::jit::Module &module) {
  auto graph = flat_forward(module);
  return graph == nullptr ? RewrittenForward{} : Rewriter(std::move(graph)).run();
}

}  // namespace ctorch
