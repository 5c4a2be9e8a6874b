#pragma once
#include <cstdint>
#include <functional>

namespace ctorch {

/// Multiply-adds that are worth another thread: some ten microseconds, the price of waking a sleeping one.
constexpr int64_t kThreadWork = 1 << 19;

/// Calls `body(first, last)` for parts of [0, count) on libtorch's own threads, as many as this thread's setting allows
/// and the work is worth; parts are contiguous, and there are some more of them than threads. `body` must not throw.
///
/// Not `at::parallel_for`, which is a template: compiled here, without OpenMP, it would run on one thread whatever the
/// setting is. A second OpenMP runtime in the process would be worse.
///
/// `item_work`: multiply-adds of one item, roughly.
void parallel_for(int64_t count, int64_t item_work, const std::function<void(int64_t first, int64_t last)> &body);

/// Threads that a large loop of the calling thread really runs on; waits for a second for those that do not come.
int64_t loop_threads();

}  // namespace ctorch
