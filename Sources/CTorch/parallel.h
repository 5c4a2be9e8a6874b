#pragma once
#include <cstdint>
#include <functional>

namespace ctorch {

/// Multiply-adds that are worth another thread: some ten microseconds, the price of waking a sleeping one.
constexpr int64_t kThreadWork = 1 << 19;

/// Calls `body(first, last)` for parts of [0, count), as many at once as this thread's setting allows and the work is
/// worth; parts are contiguous, and there are some more of them than threads. Where `body` throws, parts that no thread
/// has begun are left out, and the first exception is thrown to the caller once all threads have left the loop.
///
/// Within a `Pass` that says so the threads are a team of our own, else libtorch's. Not `at::parallel_for`, which is a
/// template: compiled here, without OpenMP, it would run on one thread whatever the setting is.
///
/// `item_work`: multiply-adds of one item, roughly.
void parallel_for(int64_t count, int64_t item_work, const std::function<void(int64_t first, int64_t last)> &body);

/// A forward pass of the calling thread, while it lives.
///
/// Waiting for a sleeping thread at each loop, as OpenMP does, costs more than the thread brings where passes are
/// short; and OpenMP's threads go on polling after a pass, on the processors that its answer needs. Helpers of a team
/// take parts when they have woken, no thread waits for them, and they sleep soon after the pass.
///
/// Not where a library brings OpenMP's threads to the pass anyway: two kinds of threads would take each other's place.
class Pass {
 public:
  explicit Pass(bool has_own_team);
  ~Pass();
  Pass(const Pass &) = delete;
  Pass &operator=(const Pass &) = delete;
};

/// Threads that a large loop of the calling thread really runs on, with or without a team; waits for a second for those
/// that do not come.
int64_t loop_threads(bool has_own_team);

}  // namespace ctorch
