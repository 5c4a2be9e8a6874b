#pragma once
#include <cstddef>

namespace ctorch {

/// Watches over a mapped file while it is used. Where another program has cut the file off, or its disk fails, reading
/// the mapping raises SIGBUS, which would end the process and every model in it: instead, zeros are read from there on,
/// and the mapping is known not to be whole.
class MappingGuard {
 public:
  /// Beyond a million mappings the others are not watched over.
  MappingGuard(const void *begin, size_t size);
  /// To be gone before the mapping is.
  ~MappingGuard();
  MappingGuard(const MappingGuard &) = delete;
  MappingGuard &operator=(const MappingGuard &) = delete;

  bool is_whole() const;

  struct Slot;

 private:
  Slot *slot_;
};

}  // namespace ctorch
