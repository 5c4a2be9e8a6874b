#pragma once
#include "../graph.h"
#include "../precisions.h"

namespace ctorch::rules {

/// Whether no node between these two writes to a tensor: replacing a pattern moves what its nodes read to where the
/// last of them stands. `except` may write.
bool nothing_writes_between(const torch::jit::Node *first, const torch::jit::Node *last,
                            const torch::jit::Node *except = nullptr);

bool is_read_once(const torch::jit::Value *value);
bool is_tensor(const torch::jit::Value *value);
/// Whether the value is a tensor that is read from the module.
bool is_tensor_attribute(const torch::jit::Value *value);
/// The tensor attribute that `value` converts to float32; null where it is something else.
torch::jit::Value *widened_attribute(torch::jit::Value *value);

/// A weight that a layer widens before it multiplies by it.
struct NarrowWeight {
  torch::jit::Value *values = nullptr;
  /// What the widened weight is multiplied by; null where its precision has no scales.
  torch::jit::Value *scales = nullptr;
  const Precision *precision = nullptr;
};

/// The narrow weight that `value` widens and perhaps scales; nothing where it does something else. The code does not
/// tell the type of its elements: of precisions of one form the first is given.
c10::optional<NarrowWeight> narrow_weight(torch::jit::Value *value);

/// An addition `a + b`, in place or not, of tensors of which neither is scaled, and whose result is read once; null
/// where `value` is none.
torch::jit::Node *plain_sum(const torch::jit::Value *value);

/// A constant before `before`.
torch::jit::Value *constant(torch::jit::Node *before, const c10::IValue &value);

}  // namespace ctorch::rules
