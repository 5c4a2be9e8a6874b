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

/// What went wrong, without the interpreter's trace before it, which alone may be longer than an error's text.
inline std::string reason_of(const std::string &text) {
  size_t reason = std::string::npos;
  for (const char *kind : {"\nRuntimeError:", "\nIndexError:"}) {
    const size_t at = text.rfind(kind);
    if (at != std::string::npos && (reason == std::string::npos || at > reason)) reason = at;
  }
  return reason == std::string::npos ? text : text.substr(reason + 1);
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
