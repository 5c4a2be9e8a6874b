#pragma once
#include <c10/core/Device.h>
#include <string>

namespace ctorch {

/// Where a model runs, from "cpu", "cuda", "cuda:1" or "neuron:0".
struct Placement {
  /// Where the library puts weights and inputs. Neuron's traced models take theirs on the host: their operators, from
  /// the operator library, move them.
  c10::Device device = c10::Device(c10::kCPU);
  /// Whether the processor is one whose operators this shim brings.
  bool is_host = true;
};

/// Throws where the name is none of these or this machine or library has no such device.
Placement placement(const std::string &name);

}  // namespace ctorch
