#pragma once
#include <cstddef>

namespace ctorch {

/// Throws `std::runtime_error` unless every instruction of a pickled module lies within its bytes, asks for no more
/// memory than they justify, and finds on the stack what it takes from there. The library's own reader believes what it
/// reads: an instruction of five bytes makes it allocate gigabytes, one without arguments reads before its stack.
void check_pickle(const char *bytes, size_t size);

}  // namespace ctorch
