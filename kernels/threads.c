#include "kernels/threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/memory.h"
#include "kernels/numa.h"

enum { MAX_THREADS = 1024, MOST_TASKS = 1 << 30 /* of a job */ };

struct worker {
  /* Of the worker's share, the tasks that are taken, below the job's generation: who takes one checks both at once, so
   * a thread that wakes late takes nothing from a job that it does not know. */
  _Alignas(64) _Atomic uint64_t taken;
  uint64_t note;
  struct threads *pool;
  pthread_t handle;
  void *scratch;
  int index;
};

/* How a job goes. The caller fills in the job, marks every share as its own, and raises `generation`. A thread works
 * through its own share, then takes what is left of the others', and counts what it has done; the caller goes on when
 * all is done, whether or not every worker has woken. A worker reads the job before it takes a task, and the job cannot
 * be replaced before that task is done: what it has read is of the job whose task it takes. */
struct threads {
  int count;
  int wanted;             /* count when all have started */
  struct worker *workers; /* [0] is the caller */
  struct threads *alone;  /* [wanted]: each worker as a pool of one */
  size_t scratch_bytes;
  _Atomic(thread_task *) task;
  _Atomic(void *) context;
  _Atomic size_t first;
  _Atomic uint32_t tasks;
  _Atomic uint32_t generation;
  _Atomic uint32_t left; /* tasks that are not done */
  _Atomic int sleeping;  /* workers (or the caller) inside futex_wait */
  _Atomic bool stop;
  int spins;
  threads_observer *observer;
  void *observer_context;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}
static void futex_wake_all(_Atomic uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* cgroup v2's "QUOTA PERIOD" of the process's own group, or of the root a container shows; v1's two files. */
double quota_cores(void) {
  char line[512], path[1024];
  double cores = 0;
  FILE *own = fopen("/proc/self/cgroup", "re");
  if (own) {
    while (fgets(line, sizeof line, own)) {
      if (strncmp(line, "0::/", 4) != 0) continue;
      line[strcspn(line, "\n")] = 0;
      /* A limit may sit on any ancestor: the smallest counts. */
      for (char *end = line + strlen(line); end >= line + 3; end--) {
        if (*end != '/' && *end != 0) continue;
        *end = 0;
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
        FILE *file = fopen(path, "re");
        double quota, period;
        if (file && fscanf(file, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 &&
            (cores <= 0 || quota / period < cores)) {
          cores = quota / period;
        }
        if (file) fclose(file);
      }
    }
    fclose(own);
  }
  if (cores > 0) return cores;
  double quota = -1, period = -1;
  FILE *file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
  if (file) {
    if (fscanf(file, "%lf", &quota) != 1) quota = -1;
    fclose(file);
  }
  file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
  if (file) {
    if (fscanf(file, "%lf", &period) != 1) period = -1;
    fclose(file);
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

int affinity_cores(void) {
  int cores = 0;
  cpu_set_t set;
  if (!sched_getaffinity(0, sizeof set, &set)) cores = CPU_COUNT(&set);
  if (cores < 1) cores = (int)sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : cores;
}

int usable_cores(void) {
  int cores = affinity_cores();
  double quota = quota_cores();
  if (quota > 0) {
    int allowed = (int)quota + ((double)(int)quota < quota);
    if (allowed < cores) cores = allowed;
  }
  if (cores > MAX_THREADS) cores = MAX_THREADS;
  return cores < 1 ? 1 : cores;
}

/* Take the next of a share's `size` tasks. */
static bool take(_Atomic uint64_t *taken, uint32_t generation, uint32_t size, uint32_t *index) {
  uint64_t seen = atomic_load_explicit(taken, memory_order_relaxed);
  do {
    *index = (uint32_t)seen;
    if (seen >> 32 != generation || *index >= size) return false;
  } while (!atomic_compare_exchange_weak(taken, &seen, seen + 1));
  return true;
}

/* Thread t's share of n tasks is contiguous, so that neighbours share cache lines. */
static void run_tasks(struct threads *pool, int thread, uint32_t generation) {
  thread_task *task = atomic_load_explicit(&pool->task, memory_order_relaxed);
  void *context = atomic_load_explicit(&pool->context, memory_order_relaxed);
  size_t first = atomic_load_explicit(&pool->first, memory_order_relaxed);
  uint32_t tasks = atomic_load_explicit(&pool->tasks, memory_order_relaxed), count = (uint32_t)pool->count, done = 0;
  uint32_t each = tasks / count, extra = tasks % count;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t t = ((uint32_t)thread + i) % count, size = each + (t < extra), index;
    size_t begin = first + (size_t)t * each + (t < extra ? t : extra);
    while (take(&pool->workers[t].taken, generation, size, &index)) {
      task(context, begin + index, thread);
      done++;
    }
  }
  if (done && atomic_fetch_sub(&pool->left, done) == done && atomic_load(&pool->sleeping)) futex_wake_all(&pool->left);
}

/* Wait until *word differs from `value`: spin first, a kernel sleep costs more than most ops take. */
static void wait_while_equal(struct threads *pool, _Atomic uint32_t *word, uint32_t value) {
  for (int i = 0; i < pool->spins; i++) {
    if (atomic_load_explicit(word, memory_order_acquire) != value) return;
    relax();
  }
  atomic_fetch_add(&pool->sleeping, 1);
  while (atomic_load(word) == value) futex_wait(word, value);
  atomic_fetch_sub(&pool->sleeping, 1);
}

static void *work(void *argument) {
  struct worker *self = argument;
  struct threads *pool = self->pool;
  uint32_t seen = 0;
  numa_keep_thread(self->index, pool->wanted);
  for (;;) {
    wait_while_equal(pool, &pool->generation, seen);
    seen = atomic_load(&pool->generation);
    if (pool->stop) return NULL;
    run_tasks(pool, self->index, seen);
  }
}

struct threads *threads_start(int n, error *e) {
  if (n == 0) n = usable_cores();
  if (n < 1 || n > MAX_THREADS) {
    usage_error(e, "%d threads: from 1 to %d are possible", n, MAX_THREADS);
    return NULL;
  }
  struct threads *pool = allocate_zeroed(1, sizeof *pool, e);
  if (!pool) return NULL;
  pool->workers = allocate_aligned((size_t)n, sizeof *pool->workers, e);
  if (!pool->workers) {
    free(pool);
    return NULL;
  }
  memset(pool->workers, 0, (size_t)n * sizeof *pool->workers);
  pool->alone = allocate_zeroed((size_t)n, sizeof *pool->alone, e);
  if (!pool->alone) {
    release_aligned(pool->workers);
    free(pool);
    return NULL;
  }
  for (int i = 0; i < n; i++) pool->alone[i] = (struct threads){.count = 1, .workers = &pool->workers[i]};
  /* With more threads than cores spinning only takes time from those that work. */
  pool->spins = n <= usable_cores() ? 20000 : 100;
  pool->count = 1;
  pool->wanted = n;
  for (int i = 1; i < n; i++) {
    struct worker *worker = &pool->workers[i];
    worker->pool = pool;
    worker->index = i;
    int reason = pthread_create(&worker->handle, NULL, work, worker);
    if (reason) {
      fail(e, "cannot start thread %d: %s", i, strerror(reason));
      threads_stop(pool);
      return NULL;
    }
    pool->count++;
  }
  return pool;
}

void threads_stop(struct threads *pool) {
  if (!pool) return;
  pool->stop = true;
  atomic_fetch_add(&pool->generation, 1);
  futex_wake_all(&pool->generation);
  for (int i = 1; i < pool->count; i++) pthread_join(pool->workers[i].handle, NULL);
  for (int i = 0; i < pool->count; i++) release_aligned(pool->workers[i].scratch);
  release_aligned(pool->workers);
  free(pool->alone);
  free(pool);
}

struct threads *threads_alone(struct threads *pool, int thread) {
  return &pool->alone[thread];
}

int threads_count(const struct threads *pool) { return pool ? pool->count : 1; }

static void run_job(struct threads *pool, size_t first, uint32_t tasks, thread_task *task, void *context) {
  uint32_t generation = atomic_load(&pool->generation) + 1, left;
  for (int t = 0; t < pool->count; t++) {
    pool->workers[t].note = 0;
    atomic_store(&pool->workers[t].taken, (uint64_t)generation << 32);
  }
  atomic_store_explicit(&pool->task, task, memory_order_relaxed);
  atomic_store_explicit(&pool->context, context, memory_order_relaxed);
  atomic_store_explicit(&pool->first, first, memory_order_relaxed);
  atomic_store_explicit(&pool->tasks, tasks, memory_order_relaxed);
  atomic_store(&pool->left, tasks);
  atomic_store(&pool->generation, generation);
  if (atomic_load(&pool->sleeping)) futex_wake_all(&pool->generation);
  run_tasks(pool, 0, generation);
  while ((left = atomic_load_explicit(&pool->left, memory_order_acquire)) != 0) {
    wait_while_equal(pool, &pool->left, left);
  }
}

void threads_run(struct threads *pool, size_t count, thread_task *task, void *context) {
  if (pool && pool->observer) pool->observer(pool->observer_context, count);
  if (!pool || pool->count == 1 || count <= 1) {
    if (pool) pool->workers[0].note = 0;
    for (size_t i = 0; i < count; i++) task(context, i, 0);
    return;
  }
  for (size_t first = 0; first < count; first += MOST_TASKS) {
    run_job(pool, first, (uint32_t)(count - first < MOST_TASKS ? count - first : MOST_TASKS), task, context);
  }
}

void threads_observe(struct threads *pool, threads_observer *observer, void *context) {
  pool->observer = observer;
  pool->observer_context = context;
}

int threads_reserve_scratch(struct threads *pool, size_t bytes, error *e) {
  if (bytes <= pool->scratch_bytes) return OK;
  for (int i = 0; i < pool->count; i++) {
    void *larger = allocate_aligned(bytes, 1, e);
    if (!larger) return FAILED;
    release_aligned(pool->workers[i].scratch);
    pool->workers[i].scratch = larger;
  }
  pool->scratch_bytes = bytes;
  return OK;
}

void *threads_scratch(const struct threads *pool, int thread) { return pool->workers[thread].scratch; }

uint64_t *threads_note(const struct threads *pool, int thread) { return &pool->workers[thread].note; }
