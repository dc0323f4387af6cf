/* What the machine is, as the system tells it: processor, cores that this process may use, caches. */
#ifndef BENCH_MACHINE_FACTS_H
#define BENCH_MACHINE_FACTS_H

#include <stddef.h>

#include "weights-tools/json.h"

enum { MOST_CACHES = 8 };

struct machine_facts {
  char cpu[256];
  int cores;    /* usable: the affinity mask, lowered by the quota */
  int affinity; /* in the mask */
  double quota; /* of the cgroup, in cores; 0: none */
  struct machine_cache {
    int level;
    char type[16]; /* "Data", "Instruction", "Unified" */
    size_t bytes;
    int cores;           /* that share it */
  } caches[MOST_CACHES]; /* of the first core of the mask, as far as the system tells */
  size_t cache_count;
};

struct machine_facts machine_facts_read(void);
/* Two lines: the processor and its cores, with the kernels' instruction set; the caches. */
void machine_facts_print(const struct machine_facts *facts, const char *isa);
/* Members of an object that is open: cpu, cores, affinity_cores, quota_cores (null: none), caches. */
void machine_facts_write(const struct machine_facts *facts, struct json_writer *w);

#endif
