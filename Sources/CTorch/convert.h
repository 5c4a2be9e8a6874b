#pragma once
#include "CTorch.h"
#include <torch/script.h>

namespace ctorch {

struct Conversion {
  torch::jit::Module module;
  int32_t linear_layers = 0;
  int32_t embeddings = 0;
  /// Every normalization is still as it was initialized, so the model was never trained.
  bool is_untrained = false;
};

/// A module with the same `forward` and narrower weights: those of linear layers in `precision`, embeddings in
/// bfloat16; everything else, also what flows between layers, stays float32. The result is plain TorchScript: layers
/// widen their weights before they multiply, which `rewrite_forward` takes for what it is. The fused layers of
/// `torch.nn.TransformerEncoder` are four linear layers each.
///
/// Throws where the module is no float32 model or has no linear layer whose weight is a parameter.
Conversion convert(const torch::jit::Module &module, ct_precision precision);

}  // namespace ctorch
