#pragma once
#include "CTorch.h"
#include "explain.h"
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
///
/// The reason begins with its class, which code that raises names as it likes, on the first line of that form after the
/// last place in the trace.
inline std::string reason_of(const std::string &text) {
  if (text.rfind("The following operation failed in the TorchScript interpreter.", 0) != 0) return text;
  const size_t place = text.rfind("<--- HERE");
  for (size_t at = text.find('\n', place == std::string::npos ? 0 : place); at != std::string::npos;
       at = text.find('\n', at + 1)) {
    const char *const name = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.";
    const size_t end = text.find_first_not_of(name, at + 1);
    if (end == std::string::npos || end == at + 1 || text.compare(end, 2, ": ") != 0) continue;
    const std::string reason = text.substr(at + 1), python = "builtins.";
    return reason.compare(0, python.size(), python) == 0 ? reason.substr(python.size()) : reason;
  }
  return text;
}

/// Runs `body`, turning every C++ exception into an error code and its text.
template <typename Body> int guarded(char *error, Body body) {
  try {
    return body();
  } catch (const Unsupported &e) {
    fail(error, e.what());
    return CT_UNSUPPORTED;
  } catch (const c10::Error &e) {
    return fail(error, reason_of(e.what_without_backtrace()).c_str());
  } catch (const std::exception &e) {
    return fail(error, reason_of(e.what()).c_str());
  } catch (...) {
    return fail(error, "an unknown C++ exception");
  }
}

/// Saves a module to a new file; what is left of it after a failure is the caller's to remove.
int write_module(const torch::jit::Module &module, const char *path, char *error);

}  // namespace ctorch
