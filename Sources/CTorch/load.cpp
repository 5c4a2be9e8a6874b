// Loading modules densely: the code of an architecture is compiled once, weights are mapped and not copied.
#include "load.h"
#include "archive.h"
#include "explain.h"
#include "linear.h"
#include "pickle.h"

#include <ATen/Context.h>
#include <c10/util/hash.h>
#include <caffe2/serialize/inline_container.h>
#include <malloc.h>
#include <map>
#include <mutex>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/unpickler.h>
#include <torch/custom_class.h>

namespace ctorch {

namespace {

using Archive = std::shared_ptr<MappedArchive>;

constexpr char kCutOff[] = "it was cut off while it was being read";

using Unit = std::shared_ptr<torch::jit::CompilationUnit>;

bool has_prefix(const std::string &text, const char *prefix) { return text.rfind(prefix, 0) == 0; }
bool has_suffix(const std::string &text, const std::string &suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

void check_has_code(bool has_code) {
  if (!has_code) throw std::runtime_error("it holds no code; save models with torch.jit.save, not with torch.save");
}

/// Throws where an archive holds weights alone, or a module of Python's.
void check_has_code(const MappedArchive &archive) {
  const auto &records = archive.records();
  check_has_code(std::any_of(records.begin(), records.end(),
                             [](const auto &entry) { return has_prefix(entry.first, "code/"); }));
}

/// Every pickle that the library reads of an archive: what it holds, constants, and where each line of code came from.
void check_pickles(const MappedArchive &archive, caffe2::serialize::PyTorchStreamReader &reader) {
  for (const auto &entry : archive.records()) {
    const bool is_read = entry.first == "data.pkl" || entry.first == "constants.pkl";
    if (!is_read && !has_suffix(entry.first, ".debug_pkl")) continue;
    const auto content = reader.getRecord(entry.first);
    check_pickle(static_cast<const char *>(std::get<0>(content).get()), std::get<1>(content));
  }
}

bool takes_tensors_only(const torch::jit::Module &module) {
  const auto method = module.find_method("forward");
  if (!method) return false;
  const auto &arguments = method->function().getSchema().arguments();
  return std::all_of(std::next(arguments.begin()), arguments.end(), [](const c10::Argument &argument) {
    return argument.type()->kind() == c10::TypeKind::TensorType;
  });
}

std::shared_ptr<Forward> make_forward(const torch::jit::Module &module, bool is_rewritten) {
  auto forward = std::make_shared<Forward>();
  if (module.find_method("forward")) forward->uses = first_uses(module);
  if (!is_rewritten || !takes_tensors_only(module)) return forward;
  auto rewritten = rewrite_forward(module);
  if (rewritten.graph == nullptr) return forward;
  forward->graph = std::move(rewritten.graph);
  forward->code = torch::jit::Code(forward->graph, "forward");
  forward->weights = std::move(rewritten.weights);
  return forward;
}

/// Puts packed weights in the place of those that only rewritten layers read. Models of one code may differ in the
/// shapes of their tensors: each is looked at.
void pack_weights(const torch::jit::Module &module, const Forward &forward, const MappedArchive *archive) {
  for (const PackableWeight &one : forward.weights) {
    AttributePath owner = one.path;
    owner.pop_back();
    const c10::IValue value = attribute_at(module, one.path);
    if (!value.isTensor() || !value.toTensor().defined()) continue;
    const at::Tensor weight = value.toTensor();
    const bool is_scaled_by_output =
        std::all_of(one.scales.begin(), one.scales.end(), [&](const AttributePath &path) {
          const c10::IValue scales = attribute_at(module, path);
          return weight.dim() == 2 && scales.isTensor() && scales_outputs(scales.toTensor(), weight.size(0));
        });
    if (!is_scaled_by_output) continue;
    const at::Tensor packed = pack(weight, one.kind);
    if (!packed.defined()) continue;
    attribute_at(module, owner).toObject()->setAttr(one.path.back(), packed);
    if (archive != nullptr) archive->give_back(weight.data_ptr(), weight.nbytes());
  }
}

/// What only the library's own loader restores.
struct NeedsLibrary : std::runtime_error {
  NeedsLibrary() : std::runtime_error("it has an attribute of a type that is not in its code") {}
};

/// What the library makes of a file, or why a file that is whole cannot be used.
template <typename Body> auto explaining(Body body) {
  try {
    return body();
  } catch (const NeedsLibrary &) {
    throw;
  } catch (const std::exception &problem) {
    explain(problem);
  }
}

/// Everything that models of one code share.
class Architecture {
 public:
  explicit Architecture(Unit unit) : unit_(std::move(unit)) {}
  const Unit &unit() const { return unit_; }

  /// How a module of this code is run; worked out for the first one of its class.
  std::shared_ptr<Forward> forward(const torch::jit::Module &module) {
    std::lock_guard<std::mutex> guard(mutex_);
    auto &known = forwards_[module.type().get()];
    if (known == nullptr) known = make_forward(module, true);
    return known;
  }

 private:
  Unit unit_;
  std::mutex mutex_;
  std::map<const c10::ClassType *, std::shared_ptr<Forward>> forwards_;
};

/// Compiled architectures that a loaded module still uses, by their code.
class Architectures {
 public:
  /// The classes of this archive, compiled now or for an earlier model.
  std::shared_ptr<Architecture> of(const Archive &archive) {
    const std::string code = code_of(*archive);
    // Held while compiling: a second model of the architecture waits for the first one's code.
    std::lock_guard<std::mutex> guard(mutex_);
    const auto entry = known_.find(code);
    if (entry != known_.end()) {
      if (auto shared = entry->second.lock()) return shared;
    }
    caffe2::serialize::PyTorchStreamReader reader(archive);
    check_pickles(*archive, reader);
    auto unit = std::make_shared<torch::jit::CompilationUnit>();
    torch::jit::ExtraFilesMap no_extra_files;
    std::shared_ptr<caffe2::serialize::ReadAdapterInterface> adapter = archive;
    explaining([&] { return torch::jit::import_ir_module(unit, adapter, c10::Device(c10::kCPU), no_extra_files); });
    for (auto entry = known_.begin(); entry != known_.end();)
      entry = entry->second.expired() ? known_.erase(entry) : std::next(entry);
    auto made = std::make_shared<Architecture>(std::move(unit));
    known_[code] = made;
    return made;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<Architecture>> known_;
};

Architectures &architectures() {
  static Architectures shared;
  return shared;
}

/// Elements of a tensor that repeats a smaller storage.
constexpr int64_t kLargestRepeated = 1 << 20;

/// A file may describe a tensor that reaches beyond its storage: everything that is read is checked first.
void check(const at::Tensor &tensor, const MappedArchive &archive) {
  if (!tensor.defined() || tensor.numel() == 0 || !tensor.has_storage()) return;
  const size_t bytes = tensor.storage().nbytes();
  if (!archive.holds(tensor.storage().data(), bytes)) throw std::runtime_error("a tensor reaches beyond its record");
  int64_t last = tensor.storage_offset();
  bool is_within = last >= 0;
  for (int64_t i = 0; i < tensor.dim() && is_within; i++) {
    int64_t step = 0;
    is_within = tensor.size(i) > 0 && tensor.stride(i) >= 0 &&
                !__builtin_mul_overflow(tensor.size(i) - 1, tensor.stride(i), &step) &&
                !__builtin_add_overflow(last, step, &last);
  }
  const auto stored = static_cast<int64_t>(bytes / tensor.element_size());
  // A stride of 0 repeats what is stored: harmless for a small constant, and as large as its author likes otherwise.
  if (!is_within || last >= stored || tensor.numel() > std::max(stored, kLargestRepeated))
    throw std::runtime_error("a tensor reaches beyond its storage");
}

void check(const c10::IValue &value, const MappedArchive &archive) {
  if (value.isTensor()) {
    check(value.toTensor(), archive);
  } else if (value.isTuple()) {
    for (const auto &element : value.toTupleRef().elements()) check(element, archive);
  } else if (value.isList()) {
    for (const c10::IValue &element : value.toListRef()) check(element, archive);
  } else if (value.isGenericDict()) {
    for (const auto &entry : value.toGenericDict()) check(entry.value(), archive);
  }
}

/// The library believes what a file says of its tensors' sizes, whatever came of their records: compares both.
void check_sizes(const torch::jit::Module &module) {
  const c10::DeleterFnPtr is_allocated = at::getCPUAllocator()->raw_deleter();
  c10::IValue(module._ivalue()).visit([&](const c10::IValue &value) {
    if (!value.isTensor()) return false;
    const at::Tensor &tensor = value.toTensor();
    if (!tensor.defined() || !tensor.has_storage() || !tensor.device().is_cpu()) return true;
    const at::DataPtr &data = tensor.storage().data_ptr();
    if (data.get() != nullptr && data.get_deleter() == is_allocated &&
        tensor.storage().nbytes() > ::malloc_usable_size(data.get()))
      throw std::runtime_error("a tensor reaches beyond its record");
    return true;
  });
}

/// An object of a class from its pickled state.
c10::intrusive_ptr<c10::ivalue::Object> restore(const at::StrongTypePtr &type, const c10::IValue &state) {
  const auto cls = type.type_->expect<c10::ClassType>();
  auto object = c10::ivalue::Object::create(c10::StrongTypePtr(type.cu_, cls), cls->numAttributes());
  if (torch::jit::Function *set_state = cls->findMethod("__setstate__")) {
    // Not optimized: that would specialize the class before it is set up.
    torch::jit::GraphOptimizerEnabledGuard guard(false);
    (*set_state)({c10::IValue(object), state});
    return object;
  }
  const auto attributes = state.toGenericDict();
  for (size_t i = 0; i < cls->numAttributes(); i++) object->setSlot(i, attributes.at(cls->getAttributeName(i)));
  return object;
}

/// Bytes of one record handed out piece by piece.
class RecordReader {
 public:
  RecordReader(const char *data, size_t size) : next_(data), remaining_(size) {}
  size_t operator()(char *buffer, size_t count) {
    const size_t given = std::min(count, remaining_);
    std::memcpy(buffer, next_, given);
    next_ += given;
    remaining_ -= given;
    return given;
  }

 private:
  const char *next_;
  size_t remaining_;
};

/// - `pickled`: the checked record `data.pkl`.
torch::jit::Module instantiate(const Archive &archive, RecordReader pickled, const Unit &unit, uint64_t version) {
  auto resolve = [unit](const c10::QualifiedName &name) {
    // Types of attributes, such as Dict[str, Tensor], come this way too.
    if (name.prefix().empty() || name.qualifiedName().find('[') != std::string::npos) throw NeedsLibrary();
    if (auto custom = torch::getCustomClass(name.qualifiedName())) return c10::StrongTypePtr(nullptr, custom);
    auto cls = unit->get_class(name);
    if (cls == nullptr) throw std::runtime_error("the module's class " + name.qualifiedName() + " is not in its code");
    return c10::StrongTypePtr(unit, cls);
  };
  auto build = [archive](const at::StrongTypePtr &type, const c10::IValue &state) {
    check(state, *archive);
    return restore(type, state);
  };
  auto tensor_data = [archive](const std::string &key) {
    const auto *record = archive->find("data/" + key);
    if (record == nullptr) throw std::runtime_error("the tensor data/" + key + " is missing");
    // Each storage keeps the mapping alive.
    auto *owner = new Archive(archive);
    return at::DataPtr(archive->verified(*record), owner, [](void *held) { delete static_cast<Archive *>(held); },
                       c10::Device(c10::kCPU));
  };
  torch::jit::Unpickler unpickler(pickled, resolve, build, tensor_data, c10::Device(c10::kCPU));
  unpickler.set_version(version);
  const c10::IValue root = unpickler.parse_ivalue();
  if (!root.isModule()) throw std::runtime_error("it holds no module");
  return torch::jit::Module(root.toObject());
}

/// Version of the archive's format; 0 where it cannot be told without the library's reader.
uint64_t format_version(const MappedArchive &archive) {
  const auto *record = archive.find(".data/version");
  if (record == nullptr) record = archive.find("version");
  if (record == nullptr || !record->is_stored || record->size == 0) return 0;
  const char *text = archive.verified(*record);
  uint64_t version = 0;
  for (const char *digit = text; digit < text + record->size && *digit >= '0' && *digit <= '9'; digit++) {
    version = 10 * version + static_cast<uint64_t>(*digit - '0');
    if (version > caffe2::serialize::kMaxSupportedFileFormatVersion) return 0;
  }
  return version;
}

/// Whether tensors can be used where they lie. Containers in archives before version 3 lack their types, which only
/// the library's own loader restores.
bool can_be_mapped(const MappedArchive &archive, uint64_t version) {
  if (version < 3) return false;
  for (const auto &entry : archive.records()) {
    const bool is_read = has_prefix(entry.first, "data/") || entry.first == "data.pkl";
    // The library's writer aligns tensors at 64 bytes; other tools need not.
    if (is_read && (!entry.second.is_stored || (entry.first != "data.pkl" && entry.second.offset % 64 != 0)))
      return false;
  }
  return true;
}

/// With tensors where they lie in the file.
LoadedModule load_mapped(const Archive &archive, const MappedArchive::Record &pickle, uint64_t version,
                         const Placement &place, Packing packing) {
  LoadedModule loaded;
  loaded.device = place.device;
  loaded.weight_bytes = tensor_bytes(*archive);
  // Before the library sees the archive: compiling reads the pickled module too.
  const char *pickled = archive->verified(pickle);
  check_pickle(pickled, pickle.size);
  const auto architecture = architectures().of(archive);
  loaded.module = explaining(
      [&] { return instantiate(archive, RecordReader(pickled, pickle.size), architecture->unit(), version); });
  loaded.module.eval();
  loaded.forward = architecture->forward(loaded.module);
  loaded.architecture = architecture;
  if (packing == Packing::kForRuns) pack_weights(loaded.module, *loaded.forward, archive.get());
  if (!archive->is_whole()) throw std::runtime_error(kCutOff);
  loaded.archive = archive;
  return loaded;
}

/// By the library's own loader, which copies tensors.
LoadedModule load_copied(const std::string &path, const Archive &archive, const Placement &place, Packing packing) {
  LoadedModule loaded;
  loaded.device = place.device;
  loaded.weight_bytes = tensor_bytes(*archive);
  {
    caffe2::serialize::PyTorchStreamReader reader(archive);
    check_pickles(*archive, reader);
  }
  loaded.module = explaining([&] { return torch::jit::load(path, c10::Device(c10::kCPU)); });
  check_sizes(loaded.module);
  if (!place.device.is_cpu()) loaded.module.to(place.device);
  loaded.module.eval();
  // Operators of rewritten graphs are those of the CPU.
  loaded.forward = make_forward(loaded.module, place.is_host);
  if (packing == Packing::kForRuns) pack_weights(loaded.module, *loaded.forward, nullptr);
  return loaded;
}

}  // namespace

std::string code_of(const MappedArchive &archive) {
  std::map<std::string, const MappedArchive::Record *> parts;
  for (const auto &entry : archive.records()) {
    const std::string &name = entry.first;
    const bool is_source = has_prefix(name, "code/") && !has_suffix(name, ".debug_pkl");
    if (is_source || name == "constants.pkl" || has_prefix(name, "constants/")) parts[name] = &entry.second;
  }
  std::string code;
  for (const auto &part : parts) {
    const MappedArchive::Record &record = *part.second;
    code += part.first + '\0' + std::to_string(record.size) + (record.is_stored ? "=" : "<") +
            std::to_string(record.packed_size) + '\0';
    code.append(archive.packed(record), record.packed_size);
  }
  // Of no bytes at all, the library's hash would be whatever was in its memory before.
  check_has_code(!code.empty());
  return code;
}

int64_t tensor_bytes(const MappedArchive &archive) {
  int64_t total = 0;
  for (const auto &record : archive.records()) {
    if (has_prefix(record.first, "data/")) total += static_cast<int64_t>(record.second.size);
  }
  return total;
}

std::string code_fingerprint(const std::string &path) {
  const MappedArchive archive(path, MappedArchive::Pages::kFew);
  const std::string code = code_of(archive);
  if (!archive.is_whole()) throw std::runtime_error(kCutOff);
  return c10::sha1(code).str();
}

LoadedModule load_module(const std::string &path, const Placement &place, Packing packing) {
  auto archive = std::make_shared<MappedArchive>(path, MappedArchive::Pages::kAll);
  const auto *pickle = archive->find("data.pkl");
  if (pickle == nullptr) throw std::runtime_error("it holds no module");
  check_has_code(*archive);
  const uint64_t version = format_version(*archive);
  if (place.is_host && can_be_mapped(*archive, version)) {
    try {
      return load_mapped(archive, *pickle, version, place, packing);
    } catch (const NeedsLibrary &) {
    }
  }
  return load_copied(path, archive, place, packing);
}

}  // namespace ctorch
