// Linear layers with weights of 8 or 16 bits: activations are coded row by row, multiplied as whole blocks, and the
// sums turned back to float32 together with bias and activation function.
#include "linear.h"
#include "kernels.h"
#include "parallel.h"
#include "precisions.h"
#include "products.h"
#include "workspace.h"

#include <cstring>

namespace ctorch {

namespace {

void free_packed(void *packed) { delete static_cast<PackedWeight *>(packed); }

/// The packed form that a tensor carries, or null.
const PackedWeight *packed_of(const at::Tensor &weight) {
  if (!weight.has_storage()) return nullptr;
  const at::DataPtr &data = weight.storage().data_ptr();
  return data.get_deleter() == &free_packed ? static_cast<const PackedWeight *>(data.get_context()) : nullptr;
}

/// A layer's parameters as the rows need them.
struct Layer {
  const PackedWeight *weight = nullptr;
  const float *scales = nullptr;
  const float *bias = nullptr;
  bool gelu = false;
};

/// One block of rows, at most `kRowBlock`.
void apply_block(const Layer &layer, const float *x, int64_t rows, float *out) {
  const Kernels &kernel = kernels();
  const int64_t inputs = layer.weight->inputs, outputs = layer.weight->outputs;
  const bool is_int8 = layer.weight->kind == WeightKind::kInt8;
  const int64_t padded = padded_rows(rows);
  const size_t code_size = is_int8 ? 1 : 2;
  const size_t code_bytes = (static_cast<size_t>(padded * inputs) * code_size + 63) / 64 * 64;
  thread_local Workspace workspace;
  char *codes = workspace.of(code_bytes + static_cast<size_t>(padded * outputs) * 4);
  char *sums = codes + code_bytes;
  float scales[kRowBlock];
  int32_t zeros[kRowBlock];
  const int32_t levels = is_int8 ? activation_levels() : 0;
  parallel_for(rows, 8 * inputs, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) {
      char *code = codes + static_cast<size_t>(row * inputs) * code_size;
      if (is_int8) {
        kernel.quantize(x + row * inputs, inputs, levels, reinterpret_cast<uint8_t *>(code), scales + row, zeros + row);
      } else {
        kernel.to_bfloat16(x + row * inputs, inputs, reinterpret_cast<uint16_t *>(code));
      }
    }
  });
  // Rows of padding are multiplied too, and their results are not read.
  std::memset(codes + static_cast<size_t>(rows * inputs) * code_size, 0,
              static_cast<size_t>((padded - rows) * inputs) * code_size);
  multiply_packed(*layer.weight, codes, padded, sums);
  parallel_for(rows, 16 * outputs, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; row++) {
      float *to = out + row * outputs;
      if (is_int8) {
        kernel.dequantize(reinterpret_cast<int32_t *>(sums) + row * outputs, outputs, scales[row], zeros[row],
                          layer.scales, layer.weight->sums.get(), layer.bias, layer.gelu, to);
      } else {
        kernel.finish(reinterpret_cast<float *>(sums) + row * outputs, outputs, layer.bias, layer.gelu, to);
      }
    }
  });
}

bool is_plain_float(const at::Tensor &tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided;
}

bool is_row(const at::Tensor &tensor, int64_t width) {
  return is_plain_float(tensor) && tensor.is_contiguous() && tensor.dim() == 1 && tensor.size(0) == width;
}

/// The fast way, where every operand is what a checked model has; undefined elsewhere.
at::Tensor try_packed(WeightKind kind, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &scales,
                      const c10::optional<at::Tensor> &bias, bool gelu) {
  const PackedWeight *packed = packed_of(weight);
  if (packed == nullptr || packed->kind != kind || !is_plain_float(x) || x.dim() < 1 ||
      x.size(-1) != packed->inputs || x.numel() == 0)
    return {};
  const bool has_bias = bias && bias->defined();
  // A number for each output is added in the same pass over memory, and any other bias by the library.
  const bool is_fused = !has_bias || is_row(*bias, packed->outputs);
  Layer layer{packed, nullptr, has_bias && is_fused ? bias->data_ptr<float>() : nullptr, gelu && is_fused};
  if (precision_of(kind).has_scales) {
    if (!scales_outputs(scales, packed->outputs)) return {};
    layer.scales = scales.data_ptr<float>();
  }
  const at::Tensor dense = x.contiguous();
  auto sizes = x.sizes().vec();
  sizes.back() = packed->outputs;
  at::Tensor out = at::empty(sizes, x.options());
  const int64_t rows = dense.numel() / packed->inputs;
  const float *from = dense.data_ptr<float>();
  float *to = out.data_ptr<float>();
  for (int64_t row = 0; row < rows; row += kRowBlock) {
    apply_block(layer, from + row * packed->inputs, std::min(kRowBlock, rows - row), to + row * packed->outputs);
  }
  if (is_fused) return out;
  out.add_(*bias);
  return gelu ? at::gelu(out) : out;
}

/// Packed weights that meet operands they were not packed for have no other form to fall back to.
void require_plain(const at::Tensor &weight) {
  TORCH_CHECK(packed_of(weight) == nullptr, "a linear layer got an input of the wrong type or size");
}

}  // namespace

bool can_pack(WeightKind kind, int64_t outputs, int64_t inputs) { return can_multiply(kind, outputs, inputs); }

at::Tensor pack(const at::Tensor &weight, WeightKind kind) {
  if (is_packed(weight) || !weight.device().is_cpu() || weight.dim() != 2 || !weight.is_contiguous() ||
      weight.scalar_type() != precision_of(kind).element)
    return {};
  auto packed = pack_weight(weight.data_ptr(), kind, weight.size(0), weight.size(1));
  if (packed == nullptr || packed->byte_count < weight.nbytes()) return {};
  const size_t byte_count = packed->byte_count;
  void *bytes = packed->bytes;
  at::DataPtr data(bytes, packed.release(), &free_packed, c10::Device(c10::kCPU));
  c10::Storage storage(c10::Storage::use_byte_size_t(), byte_count, std::move(data), nullptr, false);
  at::Tensor carrier = at::empty({0}, weight.options());
  carrier.set_(storage, 0, weight.sizes(), {});
  return carrier;
}

bool scales_outputs(const at::Tensor &scales, int64_t outputs) {
  return scales.defined() && is_plain_float(scales) && scales.is_contiguous() && scales.dim() == 2 &&
         scales.size(0) == outputs && scales.size(1) == 1;
}

bool is_packed(const at::Tensor &weight) { return packed_of(weight) != nullptr; }

at::Tensor linear_narrow(WeightKind kind, const at::Tensor &x, const at::Tensor &weight, const at::Tensor &scales,
                         const c10::optional<at::Tensor> &bias, bool gelu) {
  if (at::Tensor out = try_packed(kind, x, weight, scales, bias, gelu); out.defined()) return out;
  require_plain(weight);
  const at::Tensor widened = weight.to(at::kFloat);
  const at::Tensor out = at::linear(x, scales.defined() ? widened * scales : widened, bias);
  return gelu ? at::gelu(out) : out;
}

}  // namespace ctorch
