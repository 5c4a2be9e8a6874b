#pragma once
#include "hints.h"

namespace ctorch {

bool is_one_of(const torch::jit::Node *node, std::initializer_list<const char *> kinds);

/// What a layer wants of the tensor that it reads as its operand `offset`; of what stands in a list or tuple, as the
/// list's `element`, which is else negative.
TensorUse wanted_by(const torch::jit::Node *node, size_t offset, int64_t element);

/// Adds what another reader of the tensor wants.
void add(const TensorUse &other, TensorUse &use);

}  // namespace ctorch
