#pragma once
#include <cstddef>

namespace ctorch {

/// Throws `std::runtime_error` unless every instruction of a pickled module lies within its bytes and asks for no more
/// memory than they justify. The library's own reader believes what it reads: an instruction of five bytes makes it
/// allocate gigabytes.
void check_pickle(const char *bytes, size_t size);

}  // namespace ctorch
