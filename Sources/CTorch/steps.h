#pragma once
#include "hints.h"

namespace ctorch {

/// What code does with a tensor on its way to a layer.
struct Step {
  enum class Kind {
    /// Elements keep their places and change their type.
    kCasts,
    /// Sizes change, and nothing else.
    kResizes,
    /// Nothing is known of places any more.
    kReshapes,
    /// The dimensions come in the order `order`.
    kPermutes,
    /// The dimensions `order[0]` and `order[1]` change places.
    kSwaps,
    /// A dimension is added at `order[0]`.
    kWidens,
    /// Each element becomes a row of an embedding.
    kEmbeds,
    /// The rows at dimension `order[0]` are laid end to end.
    kPacks,
  };

  Kind kind;
  std::vector<int64_t> order;

  /// The step that a node is for its operand `offset`; nothing where its output is no form of it.
  static c10::optional<Step> of(const torch::jit::Node *node, size_t offset);

  /// What is wanted of the tensor before the step, from what is wanted after it.
  TensorUse before(const TensorUse &after) const;
};

}  // namespace ctorch
