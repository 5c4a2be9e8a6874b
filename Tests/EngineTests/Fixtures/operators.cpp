// A library of one operator, and with WRITER a program that writes a model which calls it.
#include <torch/script.h>

static at::Tensor scaled_sum(const at::Tensor &values, double scale) {
  return (values.to(at::kFloat) * scale).sum({1});
}

TORCH_LIBRARY(planner_test, library) {
  library.def("scaled_sum(Tensor values, float scale) -> Tensor");
  library.impl("scaled_sum", c10::DispatchKey::CompositeExplicitAutograd, &scaled_sum);
}

#ifdef WRITER
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

struct Resolver : torch::jit::NativeResolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string &name, torch::jit::GraphFunction &function,
                                                         const torch::jit::SourceRange &range) override {
    if (name == "planner_test") return std::make_shared<torch::jit::BuiltinModule>("planner_test");
    return NativeResolver::resolveValue(name, function, range);
  }
};

int main(int, char **arguments) {
  torch::jit::Module module("Custom");
  module.define("def forward(self, values: Tensor):\n  return planner_test.scaled_sum(values, 6.)\n",
                std::make_shared<Resolver>());
  module.save(arguments[1]);
}
#endif
