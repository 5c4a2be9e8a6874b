#pragma once
#include "CTorch.h"
#include <cstdio>
#include <exception>
#include <string>
#include <torch/script.h>

namespace ctorch {

inline int fail(char *error, const char *what) {
  if (error != nullptr) std::snprintf(error, CT_ERROR_CAPACITY, "%s", what);
  return 1;
}

/// What went wrong, of a text that says where in a model's code it did: its last line.
inline std::string reason_of(const std::string &text) {
  if (text.rfind("The following operation failed in the TorchScript interpreter", 0) != 0) return text;
  const size_t end = text.find_last_not_of(" \n");
  const size_t before = text.find_last_of('\n', end);
  return end == std::string::npos || before == std::string::npos ? text : text.substr(before + 1, end - before);
}

/// Runs `body`, turning every C++ exception into an error code and its text.
template <typename Body> int guarded(char *error, Body body) {
  try {
    return body();
  } catch (const c10::Error &e) {
    return fail(error, e.what_without_backtrace());
  } catch (const std::exception &e) {
    return fail(error, reason_of(e.what()).c_str());
  } catch (...) {
    return fail(error, "an unknown C++ exception");
  }
}

/// Saves a module to a new file; what is left of it after a failure is the caller's to remove.
int write_module(const torch::jit::Module &module, const char *path, char *error);

}  // namespace ctorch
