#pragma once
#include "CTorch.h"
#include <cstdio>
#include <exception>
#include <torch/script.h>

namespace ctorch {

inline int fail(char *error, const char *what) {
  if (error != nullptr) std::snprintf(error, CT_ERROR_CAPACITY, "%s", what);
  return 1;
}

/// Runs `body`, turning every C++ exception into an error code and its text.
template <typename Body> int guarded(char *error, Body body) {
  try {
    return body();
  } catch (const c10::Error &e) {
    return fail(error, e.what_without_backtrace());
  } catch (const std::exception &e) {
    return fail(error, e.what());
  } catch (...) {
    return fail(error, "an unknown C++ exception");
  }
}

/// Saves a module to a new file; what is left of it after a failure is the caller's to remove.
int write_module(const torch::jit::Module &module, const char *path, char *error);

}  // namespace ctorch
