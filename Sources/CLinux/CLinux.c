#define _GNU_SOURCE
#include "CLinux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

static int cpu_set_of(const int32_t *cpus, size_t count, cpu_set_t *set) {
  CPU_ZERO(set);
  for (size_t i = 0; i < count; i++) {
    if (cpus[i] < 0 || cpus[i] >= CPU_SETSIZE) return EINVAL;
    CPU_SET((size_t)cpus[i], set);
  }
  return 0;
}

int cl_set_thread_affinity(const int32_t *cpus, size_t count) {
  cpu_set_t set;
  int problem = cpu_set_of(cpus, count, &set);
  if (problem != 0) return problem;
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

int cl_set_process_affinity(const int32_t *cpus, size_t count) {
  cpu_set_t set;
  int problem = cpu_set_of(cpus, count, &set);
  if (problem != 0) return problem;
  DIR *tasks = opendir("/proc/self/task");
  if (tasks == NULL) return errno;
  struct dirent *task;
  while ((task = readdir(tasks)) != NULL) {
    int thread = atoi(task->d_name);
    // A thread may have ended since it was listed.
    if (thread > 0 && sched_setaffinity(thread, sizeof set, &set) != 0 && errno != ESRCH) problem = errno;
  }
  closedir(tasks);
  return problem;
}

int cl_get_thread_affinity(int32_t *cpus, size_t capacity) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return -errno;
  size_t found = 0;
  for (int32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET((size_t)cpu, &set)) continue;
    if (found < capacity) cpus[found] = cpu;
    found++;
  }
  return (int)found;
}

int cl_set_idle_priority(void) {
  const struct sched_param none = {.sched_priority = 0};
  return sched_setscheduler(0, SCHED_IDLE, &none) == 0 ? 0 : errno;
}

int cl_pipe(int32_t ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno; }

int cl_close_from(posix_spawn_file_actions_t *actions, int32_t first) {
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int32_t cl_spawn_new_session(void) { return POSIX_SPAWN_SETSID; }
