#pragma once
#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>

namespace ctorch {

/// Whether a tensor is one of float32 on the host that has elements, however it lies.
inline bool is_plain(const at::Tensor &tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided &&
         !tensor.is_nested() && tensor.numel() > 0;
}

/// A dense tensor of float32, without asking the library's dispatcher who makes it.
inline at::Tensor empty(at::IntArrayRef sizes) { return at::detail::empty_cpu(sizes, at::kFloat); }

/// Whether a tensor is one dense row of so many numbers.
inline bool is_row(const at::Tensor &tensor, int64_t width) {
  return is_plain(tensor) && tensor.dim() == 1 && tensor.is_contiguous() && tensor.size(0) == width;
}

}  // namespace ctorch
