#include "rules.h"

namespace ctorch::rules {

using torch::jit::Node;

void traced_number(Node *taken) {
  Node *sum = producer(taken->input(0), "aten::add");
  const bool adds_zero = sum != nullptr && sum->inputs().size() == 3 && constant_number(sum->input(1)) == 0.0;
  Node *made = producer(adds_zero ? sum->input(0) : taken->input(0), "prim::NumToTensor");
  if (made != nullptr && made->input(0)->type()->isSubtypeOf(*c10::IntType::get())) replace(taken, made->input(0));
}

}  // namespace ctorch::rules
