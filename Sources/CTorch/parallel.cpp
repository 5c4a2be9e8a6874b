// Parallel loops on the OpenMP runtime that libtorch brings, through the interface that compilers use.
#include "parallel.h"

#include <ATen/Parallel.h>
#include <algorithm>
#include <atomic>
#include <dlfcn.h>

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

}  // namespace ctorch
