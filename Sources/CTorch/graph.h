#pragma once
#include <string>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>
#include <vector>

namespace ctorch {

/// Names from a module down to one of its attributes.
using AttributePath = std::vector<std::string>;

/// The graph of a module's `forward` with every call inlined and dropout gone. Null where modules are used otherwise
/// than to read attributes of them (a call that cannot be inlined, an attribute that is set): then nothing is known
/// of who reads what.
std::shared_ptr<torch::jit::Graph> flat_forward(const torch::jit::Module &module);

/// The types int64 and float32 as TorchScript writes them.
constexpr int64_t kInt64 = 4, kFloat32 = 6;

/// Path of an attribute that `value` reads from the module; empty where it is no attribute.
AttributePath path_of(const torch::jit::Value *value);
/// The attribute itself.
c10::IValue attribute_at(const torch::jit::Module &module, const AttributePath &path);

/// The producer of `value`, where it is of that kind; else null.
torch::jit::Node *producer(const torch::jit::Value *value, const char *kind);
/// A constant as a number, from a scalar or a tensor of no dimension.
c10::optional<double> constant_number(const torch::jit::Value *value);
/// A constant list of integers, as one constant or made of several; nothing where an element is not known.
c10::optional<std::vector<int64_t>> constant_ints(const torch::jit::Value *value);
bool is_constant_int(const torch::jit::Value *value, int64_t expected);
bool is_none(const torch::jit::Value *value);

/// Replaces the only output of `old` and removes what is no longer read, from `old` upwards.
void replace(torch::jit::Node *old, torch::jit::Value *by);
/// A new node before `before`, whose one output is a tensor.
torch::jit::Value *insert(torch::jit::Node *before, const char *kind, std::vector<torch::jit::Value *> inputs);

}  // namespace ctorch
