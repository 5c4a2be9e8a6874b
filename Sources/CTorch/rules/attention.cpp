#include "patterns.h"
#include "rules.h"

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Value;

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
  if (mask == nullptr) mask = constant(context, c10::IValue());
  replace(context, insert(context, "planner::attention",
                          {product->input(0), product->input(1), context->input(1), mask, constant(context, scale),
                           constant(context, false), constant(context, false)}));
}

}  // namespace ctorch::rules
