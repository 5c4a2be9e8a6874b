// Linux calls that glibc declares only under _GNU_SOURCE, which a Swift import of its module does not see.
#pragma once

#include <spawn.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Binds the calling thread to `cpus`. Returns 0, or the error number.
int cl_set_thread_affinity(const int32_t *cpus, size_t count);

/// Binds every thread that this process has to `cpus`; threads that they start later inherit it.
/// Returns 0, or the error number.
int cl_set_process_affinity(const int32_t *cpus, size_t count);

/// Writes the CPUs that the calling thread may run on, ascending, at most `capacity` of them.
/// Returns how many there are, or the negative error number.
int cl_get_thread_affinity(int32_t *cpus, size_t capacity);

/// Lets every other thread of the calling thread's CPU go before it. Returns 0, or the error number.
int cl_set_idle_priority(void);

/// A pipe whose ends are not inherited. Returns 0, or the error number.
int cl_pipe(int32_t ends[2]);

/// In the child, closes every descriptor from `first` on. Returns 0, or the error number.
int cl_close_from(posix_spawn_file_actions_t *actions, int32_t first);

/// Spawn flag: the child leads a session of its own, out of reach of the terminal's signals.
int32_t cl_spawn_new_session(void);

/// Tells the processor that the caller is polling: less power, and room for the core's other hardware thread.
static inline void cl_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#ifdef __cplusplus
}
#endif
