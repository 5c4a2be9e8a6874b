// Looking at modules: their pickles are read into descriptions, not into modules.
#include "look.h"
#include "load.h"
#include "pickle.h"

#include <c10/util/hash.h>
#include <caffe2/serialize/inline_container.h>
#include <map>
#include <torch/csrc/jit/serialization/unpickler.h>

namespace ctorch {

namespace {

/// Reads a pickled module and writes down what it is made of, in the order in which it is put together.
class Description {
 public:
  void read(const char *bytes, size_t size, uint64_t version) {
    size_t next = 0;
    auto source = [&](char *buffer, size_t count) {
      const size_t given = std::min(count, size - next);
      std::copy_n(bytes + next, given, buffer);
      next += given;
      return given;
    };
    auto resolve = [this](const c10::QualifiedName &name) { return type_of(name); };
    auto build = [this](const at::StrongTypePtr &type, const c10::IValue &state) {
      text += type.type_->expect<c10::ClassType>()->name()->name() + '(';
      add(state);
      text += ')';
      return c10::ivalue::Object::create(c10::StrongTypePtr(unit_, type.type_->expect<c10::ClassType>()), 0);
    };
    // Shapes are enough: no element of a tensor is looked at.
    auto no_data = [](const std::string &) { return at::DataPtr(nullptr, c10::Device(c10::kCPU)); };
    torch::jit::Unpickler unpickler(source, resolve, build, no_data, c10::Device(c10::kCPU));
    unpickler.set_version(version);
    const c10::IValue root = unpickler.parse_ivalue();
    if (!root.isObject()) throw std::runtime_error("it holds no module");
    class_name = root.toObjectRef().type()->name()->name();
  }

  std::string text, class_name;
  bool has_int8 = false, has_bfloat16 = false;

 private:
  /// A class without attributes or methods in the place of the module's own, and any type of a container for its tag.
  c10::StrongTypePtr type_of(const c10::QualifiedName &name) {
    const std::string whole = name.qualifiedName();
    if (whole.rfind("Dict[", 0) == 0)
      return {unit_, c10::DictType::create(c10::StringType::get(), c10::AnyType::get())};
    if (whole.find('[') != std::string::npos) return {unit_, c10::ListType::create(c10::AnyType::get())};
    auto &known = classes_[whole];
    if (known == nullptr) known = c10::ClassType::create(name, unit_, true);
    return {unit_, known};
  }

  void add(const c10::IValue &value) {
    if (value.isTensor()) {
      add(value.toTensor());
    } else if (value.isTuple()) {
      for (const auto &element : value.toTupleRef().elements()) add(element);
    } else if (value.isList()) {
      for (const c10::IValue &element : value.toListRef()) add(element);
    } else if (value.isGenericDict()) {
      for (const auto &entry : value.toGenericDict()) {
        if (entry.key().isString()) text += entry.key().toStringRef() + '=';
        add(entry.value());
      }
    } else if (value.isInt()) {
      text += std::to_string(value.toInt());
    }
    text += ';';
  }

  void add(const at::Tensor &tensor) {
    if (!tensor.defined()) return;
    const auto type = tensor.scalar_type();
    const bool is_matrix = tensor.dim() > 1;
    has_int8 = has_int8 || (is_matrix && (type == at::kChar || c10::isQIntType(type)));
    has_bfloat16 = has_bfloat16 || (is_matrix && type == at::kBFloat16);
    text += c10::toString(type);
    for (const int64_t size : tensor.sizes()) text += ',' + std::to_string(size);
  }

  std::shared_ptr<torch::jit::CompilationUnit> unit_ = std::make_shared<torch::jit::CompilationUnit>();
  std::map<std::string, c10::ClassTypePtr> classes_;
};

}  // namespace

Look look_at(const std::string &path) {
  auto archive = std::make_shared<MappedArchive>(path, MappedArchive::Pages::kFew);
  if (archive->find("data.pkl") == nullptr) throw std::runtime_error("it holds no module");
  const std::string code = code_of(*archive);
  caffe2::serialize::PyTorchStreamReader reader(archive);
  const auto content = reader.getRecord("data.pkl");
  const char *bytes = static_cast<const char *>(std::get<0>(content).get());
  check_pickle(bytes, std::get<1>(content));
  Description description;
  description.read(bytes, std::get<1>(content), reader.version());
  Look look;
  look.code = c10::sha1(code).str();
  look.architecture = c10::sha1(code + '\0' + description.text).str();
  look.class_name = description.class_name;
  look.weight_bytes = tensor_bytes(*archive);
  look.has_int8 = description.has_int8;
  look.has_bfloat16 = description.has_bfloat16;
  if (!archive->is_whole()) throw std::runtime_error("it was cut off while it was being read");
  return look;
}

}  // namespace ctorch
