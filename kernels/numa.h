/* Which cores share a memory controller: threads that stay within a NUMA node find their own data near. */
#ifndef KERNELS_NUMA_H
#define KERNELS_NUMA_H

#include <sched.h>

enum { NUMA_MOST_NODES = 64 };

/* nodes[0..result): the cores of each node that are also in `allowed`, nodes without one left out. folder: where the
 * system tells them, /sys/devices/system/node. 0 when it does not, or in a form that is not known. */
int numa_nodes(const char *folder, const cpu_set_t *allowed, cpu_set_t nodes[NUMA_MOST_NODES]);

/* Keep the calling thread, which is number `thread` of `threads`, within a node, neighbours in the same; on a machine
 * with one node, or with fewer threads than nodes, it is let be. */
void numa_keep_thread(int thread, int threads);

#endif
