#pragma once
#include <cstdint>
#include <string>
#include <torch/script.h>

namespace ctorch {

struct LoadedModule {
  torch::jit::Module module;
  /// Of the tensors in the file.
  int64_t weight_bytes = 0;
};

/// Loads a model so that models of one architecture share their compiled code, and tensors stay where they lie in the
/// mapped file. Throws where the file cannot be read, is damaged or holds no module.
LoadedModule load_module(const std::string &path, const c10::Device &device);

/// Hash of what the archive is compiled from. Throws where the file cannot be read or is damaged.
std::string code_fingerprint(const std::string &path);

}  // namespace ctorch
