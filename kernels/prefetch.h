/* Asking for a cache line that is going to be written. */
#ifndef KERNELS_PREFETCH_H
#define KERNELS_PREFETCH_H

/* __builtin_prefetch(p, 1), but on x86 with the instruction that takes the line from all other cores: without
 * -mprfchw gcc makes a mere read of it, and the first store to a line that another core has read since would wait for
 * that core, which may sit on another die. Processors without the instruction take it for none. */
static inline void prefetch_to_write(const void *p) {
#if defined(__x86_64__)
  __asm__ volatile("prefetchw (%0)" : : "r"(p));
#else
  __builtin_prefetch(p, 1);
#endif
}

#endif
