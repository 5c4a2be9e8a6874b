#pragma once
#include "archive.h"
#include "device.h"
#include "hints.h"
#include "rewrite.h"
#include <cstdint>
#include <memory>
#include <string>
#include <torch/csrc/jit/runtime/interpreter.h>
#include <torch/script.h>
#include <vector>

namespace ctorch {

/// How models of one class are run; shared by all of them.
struct Forward {
  /// Null where the module's own `forward` is called.
  std::shared_ptr<torch::jit::Graph> graph;
  /// The graph for the library's interpreter. Not through its graph executor, which compiles the graph once more for
  /// every kind of arguments, and puts groups of operators into a fuser that then does nothing with them.
  torch::jit::Code code;
  std::vector<PackableWeight> weights;
  /// What is done first with each argument; empty where that is not known.
  std::vector<std::vector<TensorUse>> uses;
};

struct LoadedModule {
  torch::jit::Module module;
  std::shared_ptr<Forward> forward;
  /// Keeps what models of one code share.
  std::shared_ptr<void> architecture;
  /// The file in which the tensors lie; null where they were copied.
  std::shared_ptr<MappedArchive> archive;
  c10::Device device = c10::Device(c10::kCPU);
  /// Of the tensors in the file.
  int64_t weight_bytes = 0;
};

/// Whether weights of narrow layers are put in the order in which they are multiplied, or left as the file has them.
enum class Packing { kForRuns, kNone };

/// Loads a model so that models of one architecture share their compiled code, and tensors stay where they lie in the
/// mapped file, but for those of narrow linear layers: these are packed once, and their pages of the file given back.
/// Throws where the file cannot be read, is damaged or holds no module.
LoadedModule load_module(const std::string &path, const Placement &place, Packing packing = Packing::kForRuns);

/// What an archive is compiled from: its source files and the constants in them, in the order of their names and as
/// they lie in the file.
///
/// Equal bytes compile to equal classes, whatever the weights are; the bytes themselves are compared, not a hash of
/// them. Throws where there is none.
std::string code_of(const MappedArchive &archive);
/// Bytes of all tensors in an archive.
int64_t tensor_bytes(const MappedArchive &archive);

/// Hash of what the archive is compiled from. Throws where the file cannot be read or is damaged.
std::string code_fingerprint(const std::string &path);

}  // namespace ctorch
