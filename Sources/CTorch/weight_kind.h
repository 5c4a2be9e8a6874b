#pragma once

namespace ctorch {

/// How the weights of a linear layer are stored where they are narrower than float32.
enum class WeightKind { kBFloat16, kInt8 };

}  // namespace ctorch
