// Parallel loops on the OpenMP runtime that libtorch brings, through the interface that compilers use.
#include "parallel.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <dlfcn.h>
#include <mutex>
#include <set>
#include <thread>

namespace ctorch {

namespace {

using Region = void (*)(void (*body)(void *), void *data, unsigned threads, unsigned flags);

/// GNU's runtime, which Debian's and PyPI's libtorch use; null where this libtorch has another.
Region region() {
  static const auto found = reinterpret_cast<Region>(::dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return found;
}

/// Parts of a loop, taken by whichever thread comes; the runtime may give fewer threads than were asked for.
struct Loop {
  const std::function<void(int64_t, int64_t)> &body;
  int64_t count, parts;
  std::atomic<int64_t> next{0};

  void work() {
    for (int64_t part = next.fetch_add(1); part < parts; part = next.fetch_add(1)) {
      body(count * part / parts, count * (part + 1) / parts);
    }
  }
};

}  // namespace

void parallel_for(int64_t count, int64_t item_work, const std::function<void(int64_t, int64_t)> &body) {
  if (count <= 0) return;
  const int64_t worth = count * std::max<int64_t>(1, item_work) / kThreadWork;
  const int64_t threads = std::min({static_cast<int64_t>(at::get_num_threads()), count, worth});
  if (threads <= 1 || region() == nullptr) return body(0, count);
  // More parts than threads: one that lost its CPU for a moment leaves the rest to the others.
  Loop loop{body, count, std::min(count, 4 * threads)};
  region()([](void *data) { static_cast<Loop *>(data)->work(); }, &loop, static_cast<unsigned>(threads), 0);
}

int64_t loop_threads() {
  const auto wanted = static_cast<size_t>(at::get_num_threads());
  std::mutex mutex;
  std::condition_variable has_come;
  std::set<std::thread::id> seen;
  // Whoever comes waits for the others, so that nobody does another's part.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  parallel_for(static_cast<int64_t>(wanted), kThreadWork, [&](int64_t, int64_t) {
    std::unique_lock<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
    has_come.notify_all();
    has_come.wait_until(lock, end, [&] { return seen.size() >= wanted; });
  });
  return static_cast<int64_t>(seen.size());
}

}  // namespace ctorch
