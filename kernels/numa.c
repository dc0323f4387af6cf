#include "kernels/numa.h"

#include <stdbool.h>
#include <stdio.h>

/* "0-3,8\n" */
static bool read_cores(FILE *file, cpu_set_t *cores) {
  CPU_ZERO(cores);
  int first, last, separator = ',';
  while (separator == ',') {
    if (fscanf(file, "%d", &first) != 1) return false;
    last = first;
    separator = getc(file);
    if (separator == '-') {
      if (fscanf(file, "%d", &last) != 1) return false;
      separator = getc(file);
    }
    if (first < 0 || last < first || last >= CPU_SETSIZE) return false;
    for (int core = first; core <= last; core++) CPU_SET((size_t)core, cores);
  }
  return separator == '\n' || separator == EOF;
}

int numa_nodes(const char *folder, const cpu_set_t *allowed, cpu_set_t nodes[NUMA_MOST_NODES]) {
  int count = 0;
  for (int node = 0; node < NUMA_MOST_NODES; node++) {
    char path[512];
    snprintf(path, sizeof path, "%s/node%d/cpulist", folder, node);
    FILE *file = fopen(path, "re");
    if (!file) continue; /* numbers may have gaps */
    cpu_set_t cores;
    bool known = read_cores(file, &cores);
    fclose(file);
    if (!known) continue; /* a node of memory alone has an empty list */
    CPU_AND(&nodes[count], &cores, allowed);
    if (CPU_COUNT(&nodes[count])) count++;
  }
  return count;
}

void numa_keep_thread(int thread, int threads) {
  cpu_set_t allowed, nodes[NUMA_MOST_NODES];
  if (sched_getaffinity(0, sizeof allowed, &allowed)) return;
  int count = numa_nodes("/sys/devices/system/node", &allowed, nodes);
  if (count > 1 && threads >= count) sched_setaffinity(0, sizeof nodes[0], &nodes[thread * count / threads]);
}
