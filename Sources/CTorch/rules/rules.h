#pragma once
#include "../graph.h"

namespace ctorch::rules {

/// One way to replace a part of a graph by operators of the shim (ops.h, linear.h).
struct Rule {
  /// Kind of the node that its pattern ends in.
  const char *ends_in;
  /// Replaces the pattern that ends in this node, and does nothing where there is none. Only nodes before this one, and
  /// this one itself, are removed.
  void (*apply)(torch::jit::Node *node);
  /// Whether nodes within branches and loops are offered too: for rules that move nothing.
  bool reaches_into_blocks = false;
};

/// Operands of PyTorch's fused encoder layer that are weights of products; a bias follows each.
constexpr size_t kEncoderWeights[] = {3, 5, 14, 16};

/// A linear layer whose weight is a parameter of float32, or a narrow one that is widened and scaled:
///
///     linear(x, w, b)                       planner::linear_float32(x, w, b, gelu=False)
///     linear(x, w.to(float32), b)           planner::linear_bfloat16(x, w, b, gelu=False)
///     linear(x, w.to(float32) * scale, b)   planner::linear_int8(x, w, scale, b, gelu=False)
void linear(torch::jit::Node *node);
/// `gelu(linear(x, w, b))`, the exact form: the rewritten layer applies it to its own output.
void gelu(torch::jit::Node *node);
/// `layer_norm(embedding(a, ids) + embedding(b, ids) + … + more)`: planner::embed_normalize.
void embedding(torch::jit::Node *node);
/// `layer_norm(a + b)`: planner::add_normalize.
void normalization(torch::jit::Node *node);
/// `int(tensor(n) + 0)`, which tracing makes of a size: the number itself.
void traced_number(torch::jit::Node *node);
/// `softmax(q · k · scale + mask) · v`: planner::attention.
void attention(torch::jit::Node *node);
/// `scaled_dot_product_attention` of PyTorch 2 without dropout or grouped heads: planner::attention.
void fused_attention(torch::jit::Node *node);
/// The fused layer of `torch.nn.TransformerEncoder`, `_transformer_encoder_layer_fwd`: planner::encoder_layer, with the
/// narrow weights that the code widens for it.
void encoder_layer(torch::jit::Node *node);
/// planner::attention with the views that split its operands into heads and join its result:
/// planner::attention_of_heads.
void heads(torch::jit::Node *node);

}  // namespace ctorch::rules
