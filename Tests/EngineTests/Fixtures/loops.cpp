// Parallel loops (Sources/CTorch/parallel.cpp) where their bodies throw, and where threads cannot be started. Exits with
// 0 where all is as it should be.
#include "parallel.h"

#include <ATen/Parallel.h>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <dlfcn.h>
#include <new>
#include <pthread.h>
#include <stdexcept>
#include <vector>

/// Threads that may still be started.
static std::atomic<int> threads_left{1000};

extern "C" int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                              void *argument) {
  if (threads_left.fetch_sub(1) <= 0) return EAGAIN;
  static const auto real = reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
  return real(thread, attributes, start, argument);
}

static int failures = 0;

static void expect(bool is_right, const char *what) {
  if (is_right) return;
  failures++;
  std::printf("%s\n", what);
}

constexpr int64_t kCount = 64;

/// Every item once.
static bool is_whole() {
  std::vector<std::atomic<int>> seen(kCount);
  ctorch::parallel_for(kCount, ctorch::kThreadWork, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) seen[i]++;
  });
  for (const auto &times : seen) {
    if (times != 1) return false;
  }
  return true;
}

static void throwing(bool has_own_team) {
  const ctorch::Pass pass(has_own_team);
  for (int round = 0; round < 200; round++) {
    std::atomic<int> running{0};
    bool is_told = false;
    try {
      ctorch::parallel_for(kCount, ctorch::kThreadWork, [&](int64_t first, int64_t last) {
        running++;
        for (volatile int i = 0; i < 1000; i++) {}
        running--;
        // Of all parts, and of one that helpers take as often as the caller.
        if (round % 2 == 0 || (first <= 20 && 20 < last)) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc &) {
      is_told = true;
    }
    expect(is_told, "an exception is lost");
    expect(running == 0, "somebody is still within a loop that is over");
    expect(is_whole(), "the loop after one that threw is not whole");
  }
}

int main() {
  at::set_num_threads(4);
  for (bool has_own_team : {false, true}) throwing(has_own_team);
  // A team of another size, whose threads cannot all be started, or none of them.
  for (int left : {1, 0}) {
    // A pool of the library's starts its own with this, and waits for them.
    threads_left = 1000;
    at::set_num_threads(5 + left);
    threads_left = left;
    const ctorch::Pass pass(true);
    expect(is_whole(), "a loop without all of its helpers is not whole");
    const int tries = threads_left;
    expect(is_whole() && threads_left == tries, "every loop tries to start threads again");
  }
  return failures == 0 ? 0 : 1;
}
