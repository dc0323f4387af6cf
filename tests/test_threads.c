#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernels/numa.h"
#include "kernels/threads.h"
#include "tests/harness.h"

struct tally {
  _Atomic int calls[1000];
  int thread_of[1000];
};

static void count_call(void *context, size_t index, int thread) {
  struct tally *tally = context;
  atomic_fetch_add(&tally->calls[index], 1);
  tally->thread_of[index] = thread;
}

TEST(every_task_runs_once) {
  for (int n = 1; n <= 5; n++) {
    error e = {""};
    struct threads *pool = threads_start(n, &e);
    REQUIRE(pool != NULL);
    for (int round = 0; round < 200; round++) {
      size_t tasks = (size_t)round * 5 % 1000;
      struct tally *tally = calloc(1, sizeof *tally);
      threads_run(pool, tasks, count_call, tally);
      for (size_t i = 0; i < tasks; i++) {
        if (tally->calls[i] != 1 || tally->thread_of[i] < 0 || tally->thread_of[i] >= n) {
          CHECK_MSG(false, "%d threads, task %zu of %zu: %d calls, thread %d", n, i, tasks, tally->calls[i],
                    tally->thread_of[i]);
          break;
        }
      }
      free(tally);
    }
    threads_stop(pool);
  }
}

enum { WAITED_FOR = 100 };

struct waiting {
  _Atomic int done;
  bool alone; /* somebody waited in vain */
};

/* The first task of all waits for every other. */
static void wait_for_others(void *context, size_t index, int thread) {
  struct waiting *w = context;
  (void)thread;
  for (int i = 0; index == 0 && atomic_load(&w->done) < WAITED_FOR - 1; i++) {
    if (i == 5000) w->alone = true;
    if (i == 5000) break;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  atomic_fetch_add(&w->done, 1);
}

TEST(a_thread_that_is_held_up_holds_up_nobody) {
  for (int n = 2; n <= 4; n++) {
    error e = {""};
    struct threads *pool = threads_start(n, &e);
    REQUIRE(pool != NULL);
    for (int round = 0; round < 5; round++) {
      struct waiting w = {0};
      threads_run(pool, WAITED_FOR, wait_for_others, &w);
      CHECK_MSG(!w.alone && w.done == WAITED_FOR, "%d threads: %d tasks done", n, w.done);
    }
    threads_stop(pool);
  }
}

TEST(scratch_is_separate_aligned_and_grows) {
  error e = {""};
  struct threads *pool = threads_start(3, &e);
  REQUIRE(pool && threads_reserve_scratch(pool, 100, &e) == OK && threads_reserve_scratch(pool, 5000, &e) == OK);
  for (int t = 0; t < 3; t++) {
    memset(threads_scratch(pool, t), t + 1, 5000);
    CHECK((uintptr_t)threads_scratch(pool, t) % 64 == 0);
  }
  for (int t = 0; t < 3; t++) CHECK(((char *)threads_scratch(pool, t))[4999] == t + 1);
  threads_stop(pool);
}

TEST(wrong_numbers_of_threads_are_refused) {
  error e = {""};
  CHECK(threads_start(-1, &e) == NULL);
  CHECK_CONTAINS(e.message, "threads");
  CHECK(threads_start(100000, &e) == NULL);
  CHECK(usable_cores() >= 1);
}

static void describe_node(const char *folder, int node, const char *cores) {
  char path[512];
  snprintf(path, sizeof path, "%s/node%d", folder, node);
  mkdir(path, 0777);
  snprintf(path, sizeof path, "%s/node%d/cpulist", folder, node);
  CHECK(write_file(path, cores, strlen(cores)));
}

TEST(numa_nodes_are_what_the_system_tells) {
  const char *folder = test_folder();
  cpu_set_t allowed, nodes[NUMA_MOST_NODES];
  CPU_ZERO(&allowed);
  for (size_t core = 0; core < 6; core++) CPU_SET(core, &allowed);
  CHECK(numa_nodes(folder, &allowed, nodes) == 0);
  describe_node(folder, 0, "0-1,4\n");
  describe_node(folder, 1, "\n");    /* memory alone */
  describe_node(folder, 2, "7-8\n"); /* not allowed */
  describe_node(folder, 5, "2-3,5,9-11\n");
  describe_node(folder, 6, "5-2\n");
  describe_node(folder, 7, "1-999999\n");
  describe_node(folder, 8, "zero\n");
  REQUIRE(numa_nodes(folder, &allowed, nodes) == 2);
  CHECK(CPU_COUNT(&nodes[0]) == 3 && CPU_ISSET(0, &nodes[0]) && CPU_ISSET(1, &nodes[0]) && CPU_ISSET(4, &nodes[0]));
  CHECK(CPU_COUNT(&nodes[1]) == 3 && CPU_ISSET(2, &nodes[1]) && CPU_ISSET(3, &nodes[1]) && CPU_ISSET(5, &nodes[1]));
}
