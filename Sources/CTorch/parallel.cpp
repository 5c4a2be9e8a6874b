// Parallel loops: on threads of our own, or on the OpenMP runtime that libtorch brings, through the interface that
// compilers use.
#include "parallel.h"

#include <ATen/Parallel.h>
#include <CLinux.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <dlfcn.h>
#include <exception>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace ctorch {

namespace {

using Clock = std::chrono::steady_clock;

using Region = void (*)(void (*body)(void *), void *data, unsigned threads, unsigned flags);

/// GNU's runtime, which Debian's and PyPI's libtorch use; null where this libtorch has another.
Region region() {
  static const auto found = reinterpret_cast<Region>(::dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return found;
}

/// Parts of a loop, taken by whichever thread comes: one that lost its CPU for a moment leaves the rest to the others.
struct Loop {
  const std::function<void(int64_t, int64_t)> &body;
  int64_t count, parts;
  std::atomic<int64_t> next{0};
  std::atomic<bool> has_failed{false};
  std::exception_ptr failure = nullptr;

  /// An exception may leave neither a helper, where nothing would catch it, nor the caller while others are within.
  void work() noexcept {
    try {
      for (int64_t part = next.fetch_add(1); part < parts; part = next.fetch_add(1)) {
        body(count * part / parts, count * (part + 1) / parts);
      }
    } catch (...) {
      if (!has_failed.exchange(true)) failure = std::current_exception();
      next.store(parts);
    }
  }

  /// Once all threads have left the loop.
  void finish() const {
    if (failure != nullptr) std::rethrow_exception(failure);
  }
};

/// Threads that help one other thread with its loops.
class Team {
 public:
  /// Of fewer helpers where the system starts no more of them.
  explicit Team(int64_t wanted) : wanted_(wanted) {
    try {
      helpers_.reserve(static_cast<size_t>(wanted));
      for (int64_t i = 0; i < wanted; i++) helpers_.emplace_back([this] { help(); });
    } catch (const std::exception &) {
      // The caller does what they would have done.
    }
  }

  ~Team() {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      is_over_ = true;
    }
    has_work_.notify_all();
    for (std::thread &helper : helpers_) helper.join();
  }

  int64_t wanted() const { return wanted_; }

  /// Only one loop at a time.
  void run(Loop &loop) {
    open_.store(&loop);
    if (!is_called_.load(std::memory_order_relaxed)) call();
    loop.work();
    open_.store(nullptr);
    // A helper that is within the loop still has a part of it, or is just leaving.
    while (inside_.load() != 0) cl_pause();
  }

  /// Until the next loop no helper needs to be awake.
  void dismiss() { is_called_.store(false, std::memory_order_relaxed); }

 private:
  void call() {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      is_called_.store(true, std::memory_order_relaxed);
    }
    has_work_.notify_all();
  }

  void help() {
    // As long as it takes from one pass to the next where others wait.
    constexpr auto kLinger = std::chrono::microseconds(100);
    while (wait_for_call()) {
      auto end = Clock::now() + kLinger;
      while (is_called_.load(std::memory_order_relaxed) || Clock::now() < end) {
        if (take_part()) end = Clock::now() + kLinger;
        for (int i = 0; i < 16 && open_.load(std::memory_order_relaxed) == nullptr; i++) cl_pause();
      }
    }
  }

  bool wait_for_call() {
    std::unique_lock<std::mutex> lock(mutex_);
    has_work_.wait(lock, [this] { return is_over_ || is_called_.load(std::memory_order_relaxed); });
    return !is_over_;
  }

  /// The thread that opens a loop sees in `inside_` which helpers may have seen it, and waits for them; the order of
  /// the two is what keeps a helper from a loop that is gone.
  bool take_part() {
    if (open_.load(std::memory_order_relaxed) == nullptr) return false;
    inside_.fetch_add(1);
    Loop *loop = open_.load();
    if (loop != nullptr) loop->work();
    inside_.fetch_sub(1);
    return loop != nullptr;
  }

  std::atomic<Loop *> open_{nullptr};
  std::atomic<int> inside_{0};
  std::atomic<bool> is_called_{false};
  bool is_over_ = false;
  std::mutex mutex_;
  std::condition_variable has_work_;
  const int64_t wanted_;
  std::vector<std::thread> helpers_;
};

thread_local std::unique_ptr<Team> own_team;
thread_local bool is_team_in_use = false;

/// That of the calling thread, of the size that it has set.
Team &team() {
  const int64_t helpers = at::get_num_threads() - 1;
  if (own_team == nullptr || own_team->wanted() != helpers) own_team = std::make_unique<Team>(helpers);
  return *own_team;
}

}  // namespace

Pass::Pass(bool has_own_team) { is_team_in_use = has_own_team; }

Pass::~Pass() {
  if (is_team_in_use && own_team != nullptr) own_team->dismiss();
  is_team_in_use = false;
}

void parallel_for(int64_t count, int64_t item_work, const std::function<void(int64_t, int64_t)> &body) {
  if (count <= 0) return;
  const int64_t worth = count * std::max<int64_t>(1, item_work) / kThreadWork;
  const int64_t threads = std::min({static_cast<int64_t>(at::get_num_threads()), count, worth});
  if (threads <= 1 || (!is_team_in_use && region() == nullptr)) return body(0, count);
  Loop loop{body, count, std::min(count, 4 * threads)};
  if (is_team_in_use) {
    team().run(loop);
  } else {
    region()([](void *data) { static_cast<Loop *>(data)->work(); }, &loop, static_cast<unsigned>(threads), 0);
  }
  loop.finish();
}

int64_t loop_threads(bool has_own_team) {
  const Pass pass(has_own_team);
  const auto wanted = static_cast<size_t>(at::get_num_threads());
  std::mutex mutex;
  std::condition_variable has_come;
  std::set<std::thread::id> seen;
  // Each part waits for the others, so that no thread takes a second part.
  const auto end = Clock::now() + std::chrono::seconds(1);
  parallel_for(static_cast<int64_t>(wanted), kThreadWork, [&](int64_t, int64_t) {
    std::unique_lock<std::mutex> lock(mutex);
    seen.insert(std::this_thread::get_id());
    has_come.notify_all();
    has_come.wait_until(lock, end, [&] { return seen.size() >= wanted; });
  });
  return static_cast<int64_t>(seen.size());
}

}  // namespace ctorch
