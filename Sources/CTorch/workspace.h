#pragma once
#include <cstdlib>
#include <new>

namespace ctorch {

/// Memory that stays from layer to layer, one a thread: fresh pages would cost more than what is computed in them.
class Workspace {
 public:
  Workspace() = default;
  Workspace(const Workspace &) = delete;
  Workspace &operator=(const Workspace &) = delete;
  ~Workspace() { std::free(bytes_); }

  /// At least `byte_count` bytes, 64-byte aligned, with any content; valid until the next call.
  char *of(size_t byte_count) {
    if (capacity_ < byte_count) {
      std::free(bytes_);
      capacity_ = (byte_count + 4095) / 4096 * 4096;
      bytes_ = static_cast<char *>(std::aligned_alloc(64, capacity_));
      if (bytes_ == nullptr) {
        capacity_ = 0;
        throw std::bad_alloc();
      }
    }
    return bytes_;
  }

 private:
  char *bytes_ = nullptr;
  size_t capacity_ = 0;
};

}  // namespace ctorch
