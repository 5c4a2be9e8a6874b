#pragma once
#include <torch/csrc/jit/runtime/custom_operator.h>
#include <torch/script.h>

namespace ctorch {

// Registration of operators for the library's interpreter.

inline c10::optional<at::Tensor> optional_tensor(const c10::IValue &value) {
  return value.isNone() ? c10::optional<at::Tensor>() : value.toTensor();
}

using Operands = at::ArrayRef<c10::IValue>;

/// An operator of that schema whose `COUNT` operands become one tensor, which aliases them as the schema says.
template <size_t COUNT, typename Body>
c10::optional<torch::jit::Operator> operation(const std::string &schema, Body body) {
  auto run = [body](torch::jit::Stack &stack) {
    at::Tensor out = body(torch::jit::last(stack, COUNT));
    torch::jit::drop(stack, COUNT);
    stack.emplace_back(std::move(out));
  };
  return torch::jit::Operator(schema, run, c10::AliasAnalysisKind::FROM_SCHEMA);
}

}  // namespace ctorch
