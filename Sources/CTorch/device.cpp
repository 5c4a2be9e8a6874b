// Processors beside the CPU, and libraries with operators for them.
#include "device.h"
#include "shim.h"

#include <algorithm>
#include <cstdlib>
#include <dlfcn.h>
#include <glob.h>
#include <torch/cuda.h>

namespace ctorch {

namespace {

/// NeuronCores given to this process: what the runtime was told, else one for each device node.
int32_t neuron_cores() {
  if (const char *cores = std::getenv("NEURON_RT_NUM_CORES")) return std::max(0, std::atoi(cores));
  glob_t found{};
  const int status = ::glob("/dev/neuron[0-9]*", 0, nullptr, &found);
  const auto count = status == 0 ? static_cast<int32_t>(found.gl_pathc) : 0;
  ::globfree(&found);
  return count;
}

int32_t count(const std::string &kind) {
  if (kind == "cpu") return 1;
  if (kind == "cuda") return at::hasCUDA() ? static_cast<int32_t>(torch::cuda::device_count()) : 0;
  if (kind == "neuron") return neuron_cores();
  return -1;
}

}  // namespace

Placement placement(const std::string &name) {
  const size_t colon = name.find(':');
  const std::string kind = name.substr(0, colon), number = colon == std::string::npos ? "" : name.substr(colon + 1);
  const bool is_number = colon == std::string::npos ||
                         (!number.empty() && number.size() < 4 &&
                          std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; }));
  const int32_t available = count(kind);
  if (available < 0 || !is_number)
    throw std::runtime_error("'" + name + "' is no device; say cpu, cuda, cuda:0 or neuron:0");
  if (kind == "cuda" && !at::hasCUDA()) throw std::runtime_error("this libtorch was built without CUDA");
  const int index = number.empty() ? 0 : std::atoi(number.c_str());
  if (index >= available)
    throw std::runtime_error("there is no device " + name + "; this machine has " + std::to_string(available) +
                             " of that kind");
  Placement place;
  place.is_host = kind == "cpu";
  if (kind == "cuda") place.device = c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
  return place;
}

}  // namespace ctorch

extern "C" {

int32_t ct_device_count(const char *kind) {
  try {
    return std::max(0, ctorch::count(kind));
  } catch (...) {
    return 0;
  }
}

int ct_load_operators(const char *path, char *error) {
  return ctorch::guarded(error, [&] {
    // For good, and for all to see: a model's operators register themselves while it is opened.
    if (::dlopen(path, RTLD_NOW | RTLD_GLOBAL) != nullptr) return 0;
    const char *reason = ::dlerror();
    return ctorch::fail(error, reason == nullptr ? "it cannot be opened" : reason);
  });
}

}  // extern "C"
