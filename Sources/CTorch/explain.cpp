// What the library says of files of a newer PyTorch, in words that tell what to do.
#include "explain.h"

#include <c10/util/Exception.h>
#include <map>
#include <torch/csrc/jit/frontend/error_report.h>
#include <torch/version.h>

namespace ctorch {

namespace {

const std::string kLibrary = "libtorch " TORCH_VERSION;
const std::string kNewerLibrary = "run it with a newer libtorch";
const std::string kRemedy =
    "trace the model again without it (a Hugging Face model with attn_implementation=\"eager\"), or " + kNewerLibrary;

/// The PyTorch that first had an operator, as far as it is known for certain.
std::string since(const std::string &name) {
  static const std::map<std::string, std::string> versions{
      {"aten::_scaled_dot_product_attention_math", "2.0"},
      {"aten::_scaled_dot_product_flash_attention", "2.0"},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", "2.2"},
      {"aten::_int_mm", "2.1"},
      {"aten::_scaled_mm", "2.1"},
      {"aten::nonzero_static", "2.1"},
      {"aten::empty_permuted", "2.1"},
      {"aten::_weight_int4pack_mm", "2.2"},
      {"aten::_weight_int8pack_mm", "2.3"},
      {"aten::_safe_softmax", "2.5"},
      {"aten::_unsafe_masked_index", "2.5"},
      {"aten::_dyn_quant_matmul_4bit", "2.7"},
      {"aten::_grouped_mm", "2.8"},
  };
  const auto known = versions.find(name);
  return known == versions.end() ? " and newer versions may have" : " and PyTorch has since " + known->second;
}

/// What follows `before` in `text`, as long as it consists of `characters`; empty where `before` is not there.
std::string word_after(const std::string &text, const std::string &before, size_t from = 0) {
  const char *const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:.";
  const size_t at = text.find(before, from);
  if (at == std::string::npos) return "";
  const size_t first = at + before.size(), end = text.find_first_not_of(characters, first);
  std::string word = text.substr(first, end == std::string::npos ? end : end - first);
  while (!word.empty() && word.back() == '.') word.pop_back();
  return word;
}

/// The first line of a text that says something.
std::string first_line(const std::string &text) {
  const size_t first = text.find_first_not_of(" \n");
  if (first == std::string::npos) return "it gave no reason";
  return text.substr(first, text.find('\n', first) - first);
}

[[noreturn]] void explain_code(const std::string &text) {
  const std::string unknown = word_after(text, "Unknown builtin op: ");
  if (!unknown.empty() && unknown.rfind("aten::", 0) != 0 && unknown.rfind("prim::", 0) != 0)
    throw Unsupported("its code calls " + unknown + ", an operator of a library that is not loaded; name the library "
                      "with --op-library");
  if (!unknown.empty())
    throw Unsupported("its code calls " + unknown + ", which " + kLibrary + " does not have" + since(unknown) + "; " +
                      kRemedy);
  std::string name = word_after(text, "The following variants are available:\n  \n  ");
  if (name.empty()) name = word_after(text, "\n");
  if (name.rfind("aten::", 0) == 0)
    throw Unsupported("its code calls " + name.substr(0, name.find('.')) + " with arguments that " + kLibrary +
                      " does not take, but the newer PyTorch that wrote it; " + kRemedy);
  throw Unsupported(kLibrary + " cannot compile its code (" + first_line(text) + ")");
}

}  // namespace

void explain(const std::exception &problem) {
  const std::string text = problem.what();
  if (dynamic_cast<const torch::jit::ErrorReport *>(&problem) != nullptr) explain_code(text);
  const std::string type = word_after(text, "unknown torch global, 'torch.");
  for (const char *newer : {"Float8", "Float4", "UInt16", "UInt32", "UInt64", "Bits", "Int1", "Int2", "Int4", "UInt1",
                            "UInt2", "UInt3", "UInt4"}) {
    if (type.rfind(newer, 0) == 0 && type.find("Storage") != std::string::npos)
      throw Unsupported("it holds numbers of type " + type.substr(0, type.find("Storage")) + ", which " + kLibrary +
                        " does not have; save the model with another type, or run it with a newer libtorch");
  }
  const std::string highest = word_after(text, "the maximum supported version for reading is ");
  if (!highest.empty())
    throw Unsupported("its format is of version " + word_after(text, "with version ") + ", and " + kLibrary +
                      " reads versions up to " + highest + "; save it with an older PyTorch, or " + kNewerLibrary);
  throw;
}

}  // namespace ctorch
