#include "kernels/kernels.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static bool multiplies_pairs(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

const struct bf16_kernels *kernels_bf16(const struct kernels *kernels) {
  return kernels->bf16_pairs && multiplies_pairs() ? kernels->bf16_pairs : kernels->bf16_widened;
}
