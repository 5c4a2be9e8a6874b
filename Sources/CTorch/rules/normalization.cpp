#include "patterns.h"
#include "rules.h"

namespace ctorch::rules {

using torch::jit::Node;
using torch::jit::Symbol;

void normalization(Node *norm) {
  Node *sum = plain_sum(norm->input(0));
  if (sum == nullptr || sum->kind() != Symbol::fromQualString("aten::add") || !is_tensor_attribute(norm->input(2)) ||
      !is_tensor_attribute(norm->input(3)))
    return;
  if (!nothing_writes_between(sum, norm)) return;
  replace(norm, insert(norm, "planner::add_normalize",
                       {sum->input(0), sum->input(1), norm->input(1), norm->input(2), norm->input(3), norm->input(4)}));
}

}  // namespace ctorch::rules
