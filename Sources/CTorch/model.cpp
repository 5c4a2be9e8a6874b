// Loading and running models. See CTorch.h for the conventions.
#include "answer.h"
#include "arguments.h"
#include "element_types.h"
#include "kernels.h"
#include "load.h"
#include "look.h"
#include "parallel.h"
#include "shim.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <torch/csrc/jit/passes/tensorexpr_fuser.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/version.h>
#include <vector>

using ctorch::fail;
using ctorch::guarded;

struct ct_model {
  ctorch::LoadedModule loaded;
  std::optional<ctorch::Arguments> arguments;
  c10::TypePtr answer_type;
};

namespace {

/// An input's memory as a tensor; an undefined one where it was left out.
at::Tensor tensor_of(const ct_tensor &input) {
  if (input.dimension_count == CT_LEFT_OUT) return {};
  at::ScalarType type{};
  if (!ctorch::scalar_type(input.dtype, type)) throw std::runtime_error("an input has an unknown element type");
  if (input.dimension_count < 0 || input.dimension_count > CT_MAX_DIMENSIONS)
    throw std::runtime_error("an input has more than 8 dimensions");
  at::IntArrayRef sizes(input.dimensions, static_cast<size_t>(input.dimension_count));
  int64_t elements = 1;
  for (int64_t size : sizes) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements))
      throw std::runtime_error("an input has a dimension that is negative or too large");
  }
  if (static_cast<size_t>(elements) * c10::elementSize(type) != input.byte_count)
    throw std::runtime_error("an input's shape and its number of bytes disagree");
  return torch::from_blob(input.data, sizes, at::TensorOptions().dtype(type));
}

c10::IValue forward(ctorch::LoadedModule &loaded, std::vector<c10::IValue> arguments) {
  if (loaded.forward->graph == nullptr) return loaded.module.forward(std::move(arguments));
  torch::jit::Stack stack;
  stack.reserve(arguments.size() + 1);
  stack.emplace_back(loaded.module._ivalue());
  for (c10::IValue &argument : arguments) stack.push_back(std::move(argument));
  // oneDNN multiplies narrow weights on OpenMP's threads, as a BLAS does where vectors are narrow.
  const ctorch::Pass pass(loaded.forward->weights.empty() && ctorch::kernels().lanes >= 8);
  torch::jit::InterpreterState(loaded.forward->code).run(stack);
  return torch::jit::pop(stack);
}

/// Says of a module without `forward` what it has instead.
std::string without_forward(const torch::jit::Module &module) {
  std::string others;
  bool is_overloaded = false;
  for (const auto &method : module.get_methods()) {
    // Of a forward for several types, TorchScript makes one method each.
    is_overloaded = is_overloaded || method.name().rfind("forward__", 0) == 0;
    if (method.name().rfind("__", 0) != 0) others += (others.empty() ? "" : ", ") + method.name();
  }
  if (is_overloaded)
    return "its forward takes several types, as an LSTM's or GRU's own does; put it into a module whose forward takes "
           "one, and script that";
  return "it has no method 'forward', which is what requests call" +
         (others.empty() ? std::string() : ", but " + others) +
         "; save a module whose forward does what is to be served";
}

int32_t count_operators(const torch::jit::Block *block, c10::Symbol kind) {
  int32_t count = 0;
  for (const torch::jit::Node *node : block->nodes()) {
    count += node->kind() == kind ? 1 : 0;
    for (const torch::jit::Block *inner : node->blocks()) count += count_operators(inner, kind);
  }
  return count;
}

}  // namespace

extern "C" {

int ct_initialize(int inter_op_threads, char *error) {
  return guarded(error, [&] {
    static std::once_flag once;
    std::call_once(once, [&] {
      // oneDNN keeps its compiled kernels in a cache of 1,024, keyed by a layer's own scales. Sixty int8 models of 24
      // layers overflow it, every pass then compiles anew, and takes twice as long. A value that is set already stays.
      setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "1000000", 0);
      // Once a process, by the library's own rule.
      at::set_num_interop_threads(inter_op_threads);
      // Thousands of models, each seldom asked: the profiling executor would spend its first runs of every one on
      // recording and recompiling, and gains nothing on graphs that are matrix products.
      torch::jit::getProfilingMode() = false;
      torch::jit::getExecutorMode() = false;
      torch::jit::setTensorExprFuserEnabled(false);
      const auto &engines = at::globalContext().supportedQEngines();
      for (at::QEngine wanted : {at::QEngine::ONEDNN, at::QEngine::FBGEMM, at::QEngine::QNNPACK}) {
        if (std::find(engines.begin(), engines.end(), wanted) != engines.end()) {
          at::globalContext().setQEngine(wanted);
          break;
        }
      }
    });
    return 0;
  });
}

int ct_set_threads(int threads, char *error) {
  return guarded(error, [&] {
    if (threads < 1) return fail(error, "a forward pass needs at least one thread");
    // A thread's first look at its number, which a first pass takes too, sets it to what any thread set last: that look
    // has to come before this thread's own number.
    at::get_num_threads();
    at::set_num_threads(threads);
    return 0;
  });
}

int ct_loop_threads(void) {
  return static_cast<int>(std::min(ctorch::loop_threads(true), ctorch::loop_threads(false)));
}

const char *ct_version(void) { return TORCH_VERSION; }

const char *ct_configuration(void) {
  thread_local std::string text;
  text = at::get_parallel_info() + at::get_mkldnn_version() + "\n" + at::get_openmp_version();
  return text.c_str();
}

int ct_model_load(const char *path, const char *device, ct_model **model, char *error) {
  return guarded(error, [&] {
    auto made = std::make_unique<ct_model>();
    made->loaded = ctorch::load_module(path, ctorch::placement(device));
    const auto method = made->loaded.module.find_method("forward");
    if (!method) throw ctorch::Unsupported(without_forward(made->loaded.module));
    made->arguments.emplace(made->loaded.module, made->loaded.forward->uses);
    const auto &returns = method->function().getSchema().returns();
    if (!returns.empty()) made->answer_type = returns.front().type();
    *model = made.release();
    return 0;
  });
}

int ct_model_fingerprint(const char *path, char *fingerprint, char *error) {
  return guarded(error, [&] {
    const std::string hash = ctorch::code_fingerprint(path);
    std::snprintf(fingerprint, CT_FINGERPRINT_CAPACITY, "%s", hash.c_str());
    return 0;
  });
}

int ct_model_look(const char *path, ct_look *look, char *error) {
  return guarded(error, [&] {
    const ctorch::Look found = ctorch::look_at(path);
    std::snprintf(look->code, sizeof look->code, "%s", found.code.c_str());
    std::snprintf(look->architecture, sizeof look->architecture, "%s", found.architecture.c_str());
    std::snprintf(look->class_name, sizeof look->class_name, "%s", found.class_name.c_str());
    look->weight_bytes = found.weight_bytes;
    look->precision = found.has_int8 ? CT_PRECISION_INT8 : found.has_bfloat16 ? CT_PRECISION_BF16 : CT_PRECISION_FP32;
    return 0;
  });
}

void ct_model_free(ct_model *model) { delete model; }

int64_t ct_model_weight_bytes(const ct_model *model) { return model->loaded.weight_bytes; }

int32_t ct_model_argument_count(const ct_model *model) {
  return static_cast<int32_t>(model->arguments->all().size());
}

const ct_argument *ct_model_argument(const ct_model *model, int32_t index) {
  const auto &all = model->arguments->all();
  return index >= 0 && static_cast<size_t>(index) < all.size() ? &all[static_cast<size_t>(index)] : nullptr;
}

const ct_hint *ct_model_hint(const ct_model *model, int32_t argument, int32_t part) {
  const auto &all = model->arguments->hints();
  if (argument < 0 || static_cast<size_t>(argument) >= all.size()) return nullptr;
  const auto &own = all[static_cast<size_t>(argument)];
  return part >= 0 && static_cast<size_t>(part) < own.size() ? &own[static_cast<size_t>(part)] : nullptr;
}

const char *ct_model_answer_problem(const ct_model *model) {
  const std::string &problem = model->arguments->answer_problem();
  return problem.empty() ? nullptr : problem.c_str();
}

int ct_model_place_inputs(ct_model *model, const ct_place *places, size_t count, char *error) {
  return guarded(error, [&] {
    std::vector<ctorch::Place> wanted;
    for (size_t i = 0; i < count; i++) {
      const ct_place &place = places[i];
      wanted.push_back({static_cast<size_t>(place.argument), place.key == nullptr ? "" : place.key});
    }
    model->arguments->place(std::move(wanted));
    return 0;
  });
}

int32_t ct_model_operator_count(const ct_model *model, const char *kind) {
  if (model->loaded.forward->graph == nullptr) return 0;
  return count_operators(model->loaded.forward->graph->block(), c10::Symbol::fromQualString(kind));
}

int32_t ct_model_is_whole(const ct_model *model) {
  return model->loaded.archive == nullptr || model->loaded.archive->is_whole() ? 1 : 0;
}

int ct_model_run(ct_model *model, const ct_tensor *inputs, size_t input_count, ct_result **result, char *error) {
  return guarded(error, [&] {
    c10::InferenceMode no_gradients;
    const size_t wanted = model->arguments->place_count();
    if (input_count != wanted) {
      std::string text = "the model takes " + std::to_string(wanted) + " inputs, not " + std::to_string(input_count);
      return fail(error, text.c_str());
    }
    std::vector<at::Tensor> tensors;
    tensors.reserve(input_count);
    for (size_t i = 0; i < input_count; i++) {
      const at::Tensor tensor = tensor_of(inputs[i]);
      const bool stays = model->loaded.device.is_cpu() || !tensor.defined();
      tensors.push_back(stays ? tensor : tensor.to(model->loaded.device));
    }
    auto answer = std::make_unique<ct_result>();
    ctorch::collect(*answer, forward(model->loaded, model->arguments->values(tensors)), model->answer_type);
    *result = answer.release();
    return 0;
  });
}

size_t ct_result_count(const ct_result *result) { return result->tensors.size(); }

const ct_tensor *ct_result_tensor(const ct_result *result, size_t index) {
  return index < result->tensors.size() ? &result->tensors[index] : nullptr;
}

const char *ct_result_name(const ct_result *result, size_t index) {
  const bool is_named = index < result->names.size() && !result->names[index].empty();
  return is_named ? result->names[index].c_str() : nullptr;
}

void ct_result_free(ct_result *result) { delete result; }

}  // extern "C"
