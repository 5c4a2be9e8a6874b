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

}  // namespace ctorch
