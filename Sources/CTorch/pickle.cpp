// Pickle, as far as TorchScript archives use it: protocol 2 and the instructions that the library's reader knows.
// Meaning of the instructions: CPython's Lib/pickletools.py.
#include "pickle.h"

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ctorch {

namespace {

class Instructions {
 public:
  Instructions(const char *bytes, size_t size) : next_(bytes), end_(bytes + size), size_(size) {}

  void check() {
    while (true) {
      const auto instruction = static_cast<unsigned char>(*take(1));
      if (instruction == '.') return;
      check(instruction);
    }
  }

 private:
  void check(unsigned char instruction) {
    switch (instruction) {
      // Marks, constants, containers and the building of objects: nothing follows.
      case '(': case 'N': case ']': case ')': case '}': case 'l': case 't': case 'd': case 'a': case 'e': case 's':
      case 'u': case 'R': case 'b': case 'Q': case 0x81: case 0x85: case 0x86: case 0x87: case 0x88: case 0x89:
        return;
      case 0x80: case 'K': take(1); return;
      case 'M': take(2); return;
      case 'J': take(4); return;
      case 'G': take(8); return;
      case 'q': case 'h': memo(number(1)); return;
      case 'r': case 'j': memo(number(4)); return;
      case 0x8a: take(number(1)); return;
      case 'X': take(number(4)); return;
      case 'c': line(); line(); return;
      default: throw std::runtime_error("the module has an unknown pickle instruction");
    }
  }

  const char *take(size_t count) {
    if (static_cast<size_t>(end_ - next_) < count) throw std::runtime_error("the module's pickle breaks off");
    const char *taken = next_;
    next_ += count;
    return taken;
  }

  /// Little-endian.
  size_t number(size_t bytes) {
    const char *digits = take(bytes);
    size_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= static_cast<size_t>(static_cast<unsigned char>(digits[i])) << (8 * i);
    return value;
  }

  /// Places in the memo are numbered one after the other, each by an instruction of its own.
  void memo(size_t index) const {
    if (index >= size_) throw std::runtime_error("the module's pickle refers to a place that it cannot have");
  }

  void line() {
    const void *newline = std::memchr(next_, '\n', static_cast<size_t>(end_ - next_));
    if (newline == nullptr) throw std::runtime_error("the module's pickle breaks off");
    next_ = static_cast<const char *>(newline) + 1;
  }

  const char *next_;
  const char *end_;
  size_t size_;
};

}  // namespace

void check_pickle(const char *bytes, size_t size) { Instructions(bytes, size).check(); }

}  // namespace ctorch
