// A program that writes a model of any code, and says what libtorch itself answers to inputs at random.
//
//   crafted OUT < description
//
// The description has a line `weight NAME TYPE SIZE…` for each attribute and `input SIZE…` for each argument, then an
// empty line, then the module's code. Prints the inputs and then the outputs, a tensor a line; where the code throws,
// what it threw.
#include <iostream>
#include <iterator>
#include <sstream>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>
#include <torch/script.h>

/// Exceptions are classes of Python, which source text alone does not know: code raises them as saved modules do.
struct Resolver : torch::jit::NativeResolver {
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string &name, torch::jit::GraphFunction &function,
                                                         const torch::jit::SourceRange &range) override {
    if (name == "prim") return std::make_shared<torch::jit::BuiltinModule>("prim");
    return NativeResolver::resolveValue(name, function, range);
  }
};

static at::ScalarType type_of(const std::string &name) {
  if (name == "int8") return at::kChar;
  return name == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

static at::Tensor random(std::istringstream &sizes, at::ScalarType type) {
  std::vector<int64_t> shape;
  for (int64_t size = 0; sizes >> size;) shape.push_back(size);
  return type == at::kChar ? at::randint(-127, 128, shape, type) : (at::randn(shape) / 4).to(type);
}

static void print(const c10::IValue &value) {
  if (value.isTuple()) {
    for (const auto &element : value.toTupleRef().elements()) print(element);
    return;
  }
  const at::Tensor tensor = value.toTensor().to(at::kFloat).contiguous();
  for (int64_t i = 0; i < tensor.numel(); i++) std::cout << tensor.data_ptr<float>()[i] << " ";
  std::cout << "\n";
}

int main(int, char **arguments) {
  torch::NoGradGuard no_gradients;
  at::manual_seed(17);
  std::cout.precision(9);
  torch::jit::Module module("Crafted");
  std::vector<c10::IValue> inputs;
  for (std::string line; std::getline(std::cin, line) && !line.empty();) {
    std::istringstream words(line);
    std::string kind, name, type;
    words >> kind;
    if (kind == "input") {
      inputs.emplace_back(random(words, at::kFloat));
    } else {
      words >> name >> type;
      module.register_parameter(name, random(words, type_of(type)), false);
    }
  }
  module.define(std::string(std::istreambuf_iterator<char>(std::cin), {}), std::make_shared<Resolver>());
  module.eval();
  module.save(arguments[1]);
  for (const c10::IValue &input : inputs) print(input);
  try {
    print(torch::jit::load(arguments[1]).forward(inputs));
  } catch (const std::exception &error) {
    std::cout << error.what() << std::endl;
  }
}
