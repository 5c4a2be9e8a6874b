// Picks the widest form of the kernels that the processor has. Every processor runs `plain`.
#include "kernels.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

namespace ctorch {

namespace {

namespace plain {
#define LANES 4
#include "kernels.inc"
#undef LANES
}  // namespace plain

// The same text once more where the compiler can be told to use what this x86 processor may lack.
#if defined(__x86_64__) && defined(__clang__)
#define CTORCH_X86_LEVELS 1
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
namespace v3 {
#define LANES 8
#include "kernels.inc"
#undef LANES
}  // namespace v3
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
namespace v4 {
#define LANES 16
#include "kernels.inc"
#undef LANES
}  // namespace v4
#pragma clang attribute pop
#endif

const Kernels &choose() {
#ifdef CTORCH_X86_LEVELS
  __builtin_cpu_init();
  const bool has_v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2");
  if (has_v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd"))
    return v4::table;
  if (has_v3) return v3::table;
#endif
  return plain::table;
}

}  // namespace

const Kernels &kernels() {
  static const Kernels &chosen = choose();
  return chosen;
}

}  // namespace ctorch
