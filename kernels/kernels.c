#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "kernels/reference/reference.h"

#ifdef HAVE_avx512
extern const struct kernels kernels_avx512;
static bool runs_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
}
#endif
#ifdef HAVE_avx2
extern const struct kernels kernels_avx2;
static bool runs_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif
#ifdef HAVE_neon
extern const struct kernels kernels_neon;
#endif
extern const struct kernels kernels_plain;

static bool runs_always(void) { return true; }

/* Best first. */
static const struct {
  const struct kernels *table;
  bool (*runs)(void);
} known[] = {
#ifdef HAVE_avx512
    {&kernels_avx512, runs_avx512},
#endif
#ifdef HAVE_avx2
    {&kernels_avx2, runs_avx2},
#endif
#ifdef HAVE_neon
    {&kernels_neon, runs_always},
#endif
    {&kernels_plain, runs_always},  {&kernels_reference, runs_always},
};
enum { KNOWN = sizeof known / sizeof known[0] };

const struct kernels *kernels_find(const char *isa) {
  for (int i = 0; i < KNOWN; i++) {
    if (!strcmp(known[i].table->isa, isa)) return known[i].runs() ? known[i].table : NULL;
  }
  return NULL;
}

const char *const *kernels_available(void) {
  static const char *names[KNOWN + 1];
  int n = 0;
  for (int i = 0; i < KNOWN; i++) {
    if (known[i].runs()) names[n++] = known[i].table->isa;
  }
  names[n] = NULL;
  return names;
}

const struct kernels *kernels_select(error *e) {
  const char *wanted = getenv("BACKBONES_ISA");
  if (!wanted || !*wanted) return kernels_find(kernels_available()[0]);
  const struct kernels *table = kernels_find(wanted);
  if (table) return table;
  char names[256] = "";
  size_t used = 0;
  for (const char *const *name = kernels_available(); *name; name++) {
    used += (size_t)snprintf(names + used, sizeof names - used, used ? ", %s" : "%s", *name);
  }
  fail(e, "BACKBONES_ISA=%.40s: not available here (available: %s)", wanted, names);
  return NULL;
}

#if defined(__x86_64__)
static bool multiplies_pairs(void) { return __builtin_cpu_supports("avx512bf16"); }

/* Beside the CPU the kernel has to allow tile registers, to each process that asks: they are 8 kB more to save. */
static bool multiplies_tiles(void) {
  enum { LEAF = 7, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  unsigned a, b, c, d;
  if (!__get_cpuid_count(LEAF, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return false;
  return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}
#else
static bool multiplies_pairs(void) { return false; }
static bool multiplies_tiles(void) { return false; }
#endif

const struct bf16_kernels *kernels_bf16(const struct kernels *kernels) {
  const char *wanted = getenv("BACKBONES_ISA");
  bool lowered = wanted && *wanted;
  if (kernels->bf16_tiles && !lowered && multiplies_pairs() && multiplies_tiles()) return kernels->bf16_tiles;
  return kernels->bf16_pairs && multiplies_pairs() ? kernels->bf16_pairs : kernels->bf16_widened;
}
