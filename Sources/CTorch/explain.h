#pragma once
#include <exception>
#include <stdexcept>
#include <string>

namespace ctorch {

/// A file that is whole, and needs what this libtorch does not have. The text says what, and what to do.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws `Unsupported` where `problem`, which the library met in a file, comes from a newer PyTorch; else throws
/// `problem` as it is. To be called within a handler.
[[noreturn]] void explain(const std::exception &problem);

}  // namespace ctorch
