// Products by packed weights, with oneDNN: the library that libtorch itself brings for them. A build without its
// headers packs nothing, and linear layers run through libtorch.
#include "products.h"
#include "workspace.h"

#if __has_include(<oneapi/dnnl/dnnl.hpp>)
#define CTORCH_HAS_ONEDNN 1
#include <ATen/Parallel.h>
#include <map>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <shared_mutex>
#include <stdexcept>
#include <tuple>
#endif

#include <cstdlib>
#include <cstring>

namespace ctorch {

PackedWeight::~PackedWeight() { std::free(bytes); }

int64_t padded_rows(int64_t rows) {
  const int64_t step = rows <= 16 ? 4 : rows <= 64 ? 8 : 16;
  return (rows + step - 1) / step * step;
}

#ifdef CTORCH_HAS_ONEDNN

namespace {

using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;

const dnnl::engine &processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// The library's types of a kind's weights, of the activations that they are multiplied by, and of the sums.
struct Types {
  Type weights, codes, sums;
};

Types types_of(WeightKind kind) {
  switch (kind) {
    case WeightKind::kBFloat16: return {Type::bf16, Type::bf16, Type::f32};
    case WeightKind::kInt8: return {Type::s8, Type::u8, Type::s32};
  }
  throw std::logic_error("products by weights of an unknown kind");
}

dnnl::matmul::primitive_desc describe(WeightKind kind, int64_t rows, int64_t outputs, int64_t inputs,
                                      const dnnl::memory::desc &weights) {
  const Types types = types_of(kind);
  const dnnl::memory::desc codes({rows, inputs}, types.codes, Tag::ab);
  const dnnl::memory::desc sums({rows, outputs}, types.sums, Tag::ab);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return dnnl::matmul::primitive_desc(dnnl::matmul::desc(codes, weights, sums), attributes, processor());
}

/// The order of weights that the kernels of the largest block like best; the other blocks take it as it is.
dnnl::memory::desc packed_order(WeightKind kind, int64_t outputs, int64_t inputs) {
  const dnnl::memory::desc any({inputs, outputs}, types_of(kind).weights, Tag::any);
  return describe(kind, kRowBlock, outputs, inputs, any).weights_desc();
}

struct Product {
  dnnl::matmul primitive;
  dnnl::memory::desc codes, weights, sums, scratchpad;
};

/// Compiled products by their shape. Layers of one shape share them, whichever model they belong to; padding keeps
/// them few.
class Products {
 public:
  std::shared_ptr<const Product> of(WeightKind kind, int64_t rows, int64_t outputs, int64_t inputs) {
    // The library splits work by the threads it had when the kernel was made.
    const Key key{static_cast<int>(kind), rows, outputs, inputs, at::get_num_threads()};
    {
      std::shared_lock<std::shared_mutex> guard(mutex_);
      const auto known = products_.find(key);
      if (known != products_.end()) return known->second;
    }
    const auto description = describe(kind, rows, outputs, inputs, order_of(kind, outputs, inputs));
    auto made = std::make_shared<Product>();
    made->primitive = dnnl::matmul(description);
    made->codes = description.src_desc();
    made->weights = description.weights_desc();
    made->sums = description.dst_desc();
    made->scratchpad = description.scratchpad_desc();
    std::unique_lock<std::shared_mutex> guard(mutex_);
    if (products_.size() >= kCapacity) products_.clear();
    return products_[key] = made;
  }

  dnnl::memory::desc order_of(WeightKind kind, int64_t outputs, int64_t inputs) {
    const Layer key{static_cast<int>(kind), outputs, inputs};
    std::lock_guard<std::mutex> guard(order_mutex_);
    const auto known = orders_.find(key);
    if (known != orders_.end()) return known->second;
    return orders_[key] = packed_order(kind, outputs, inputs);
  }

 private:
  using Key = std::tuple<int, int64_t, int64_t, int64_t, int>;
  using Layer = std::tuple<int, int64_t, int64_t>;
  // Far more than the shapes of a repository; a bound against models of ever new shapes.
  static constexpr size_t kCapacity = 4096;
  std::shared_mutex mutex_;
  std::map<Key, std::shared_ptr<const Product>> products_;
  std::mutex order_mutex_;
  // Small, and packed weights rely on them: never dropped.
  std::map<Layer, dnnl::memory::desc> orders_;
};

Products &products() {
  static Products shared;
  return shared;
}

/// Multiplies the largest codes there are: kernels of processors without dot products of bytes add pairs in 16 bits,
/// where 255 · 127 twice is too much.
int32_t probe_levels() {
  constexpr int64_t kInputs = 64, kOutputs = 16;
  const int8_t weight = 127;
  try {
    std::vector<int8_t> weights(kInputs * kOutputs, weight);
    const auto packed = pack_weight(weights.data(), WeightKind::kInt8, kOutputs, kInputs);
    if (packed == nullptr) return 127;
    std::vector<uint8_t> codes(4 * kInputs, 255);
    std::vector<int32_t> sums(4 * kOutputs);
    multiply_packed(*packed, codes.data(), 4, sums.data());
    for (int32_t sum : sums) {
      if (sum != kInputs * 255 * weight) return 127;
    }
    return 255;
  } catch (const std::exception &) {
    return 127;
  }
}

}  // namespace

int32_t activation_levels() {
  static const int32_t levels = probe_levels();
  return levels;
}

bool can_multiply(WeightKind kind, int64_t outputs, int64_t inputs) {
  // Sums of 255 · 127 must fit 32 bits, sizes what the library counts with.
  constexpr int64_t kLargest = 65536;
  if (outputs < 1 || inputs < 1 || outputs > (1 << 24) || inputs > kLargest) return false;
  try {
    products().order_of(kind, outputs, inputs);
    return true;
  } catch (const dnnl::error &) {
    return false;
  }
}

std::unique_ptr<PackedWeight> pack_weight(const void *weights, WeightKind kind, int64_t outputs, int64_t inputs) {
  if (!can_multiply(kind, outputs, inputs)) return nullptr;
  const dnnl::memory::desc order = products().order_of(kind, outputs, inputs);
  const dnnl::memory::desc plain({inputs, outputs}, types_of(kind).weights, Tag::ba);
  auto packed = std::make_unique<PackedWeight>();
  packed->kind = kind;
  packed->outputs = outputs;
  packed->inputs = inputs;
  packed->byte_count = (order.get_size() + 63) / 64 * 64;
  packed->bytes = std::aligned_alloc(64, packed->byte_count);
  if (packed->bytes == nullptr) throw std::bad_alloc();
  dnnl::memory from(plain, processor(), const_cast<void *>(weights));
  dnnl::memory to(order, processor(), packed->bytes);
  dnnl::stream stream(processor());
  dnnl::reorder(from, to).execute(stream, from, to);
  stream.wait();
  if (kind == WeightKind::kInt8) {
    packed->sums = std::make_unique<int32_t[]>(static_cast<size_t>(outputs));
    const auto *row = static_cast<const int8_t *>(weights);
    for (int64_t output = 0; output < outputs; output++, row += inputs) {
      int32_t sum = 0;
      for (int64_t input = 0; input < inputs; input++) sum += row[input];
      packed->sums[static_cast<size_t>(output)] = sum;
    }
  }
  return packed;
}

void multiply_packed(const PackedWeight &weight, const void *codes, int64_t rows, void *sums) {
  const auto product = products().of(weight.kind, rows, weight.outputs, weight.inputs);
  thread_local dnnl::stream stream(processor());
  thread_local Workspace scratchpad;
  const dnnl::memory from(product->codes, processor(), const_cast<void *>(codes));
  const dnnl::memory by(product->weights, processor(), weight.bytes);
  const dnnl::memory to(product->sums, processor(), sums);
  const dnnl::memory own(product->scratchpad, processor(), scratchpad.of(product->scratchpad.get_size()));
  product->primitive.execute(stream, {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, by}, {DNNL_ARG_DST, to},
                                      {DNNL_ARG_SCRATCHPAD, own}});
  stream.wait();
}

#else

int32_t activation_levels() { return 127; }
bool can_multiply(WeightKind, int64_t, int64_t) { return false; }
std::unique_ptr<PackedWeight> pack_weight(const void *, WeightKind, int64_t, int64_t) { return nullptr; }
void multiply_packed(const PackedWeight &, const void *, int64_t, void *) {}

#endif

}  // namespace ctorch
