#include "mapping_guard.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace ctorch {

/// One mapping; the handler reads it while others are written. Free where `begin` is 0.
struct MappingGuard::Slot {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<bool> is_whole{true};
};

namespace {

using Slot = MappingGuard::Slot;

constexpr size_t kSlots = 1024, kBlocks = 1024;
std::atomic<Slot *> blocks[kBlocks];
uintptr_t page_size = 4096;
struct sigaction previous;

Slot *find(uintptr_t address) {
  for (const auto &block : blocks) {
    Slot *slots = block.load(std::memory_order_acquire);
    if (slots == nullptr) return nullptr;
    for (Slot *slot = slots; slot < slots + kSlots; slot++) {
      const uintptr_t begin = slot->begin.load(std::memory_order_acquire);
      const uintptr_t end = slot->end.load(std::memory_order_acquire);
      // Another mapping may have taken the slot in between.
      const bool is_one = begin == slot->begin.load(std::memory_order_acquire);
      if (begin != 0 && is_one && address >= begin && address < end) return slot;
    }
  }
  return nullptr;
}

/// Runs on the thread that read; only calls that signal handlers may make.
void on_bus_error(int signal, siginfo_t *info, void *context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (Slot *slot = find(address)) {
    slot->is_whole.store(false, std::memory_order_release);
    const uintptr_t first = address / page_size * page_size;
    const uintptr_t end = (slot->end.load(std::memory_order_acquire) + page_size - 1) / page_size * page_size;
    void *zeros = ::mmap(reinterpret_cast<void *>(first), end - first, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = saved_errno;
    if (zeros != MAP_FAILED) return;
  }
  // Not one of our mappings: the handler that was there before, or the system, ends the process.
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    ::signal(signal, SIG_DFL);
  }
}

/// The slots that are free, under a lock.
class FreeSlots {
 public:
  FreeSlots() {
    page_size = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous);
  }

  Slot *take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) {
      if (used_blocks_ == kBlocks) return nullptr;
      // Never freed: the handler may look at any time.
      auto *slots = new Slot[kSlots];
      blocks[used_blocks_++].store(slots, std::memory_order_release);
      for (size_t index = kSlots; index > 0; index--) free_.push_back(slots + index - 1);
    }
    Slot *slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void give_back(Slot *slot) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(slot);
  }

 private:
  std::mutex mutex_;
  std::vector<Slot *> free_;
  size_t used_blocks_ = 0;
};

FreeSlots &free_slots() {
  // Models may be freed while the process ends.
  static auto *slots = new FreeSlots();
  return *slots;
}

}  // namespace

MappingGuard::MappingGuard(const void *begin, size_t size) : slot_(free_slots().take()) {
  if (slot_ == nullptr) return;
  const auto address = reinterpret_cast<uintptr_t>(begin);
  slot_->is_whole.store(true, std::memory_order_relaxed);
  slot_->end.store(address + size, std::memory_order_release);
  slot_->begin.store(address, std::memory_order_release);
}

MappingGuard::~MappingGuard() {
  if (slot_ == nullptr) return;
  slot_->begin.store(0, std::memory_order_release);
  free_slots().give_back(slot_);
}

bool MappingGuard::is_whole() const { return slot_ == nullptr || slot_->is_whole.load(std::memory_order_acquire); }

}  // namespace ctorch
