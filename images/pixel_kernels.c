#include "images/pixel_kernels.h"

#include <stdatomic.h>
#include <string.h>

#include "kernels/kernels.h"

extern const struct pixel_kernels pixel_kernels_plain, pixel_kernels_reference;
#ifdef HAVE_avx512
extern const struct pixel_kernels pixel_kernels_avx512;
#endif
#ifdef HAVE_avx2
extern const struct pixel_kernels pixel_kernels_avx2;
#endif
#ifdef HAVE_neon
extern const struct pixel_kernels pixel_kernels_neon;
#endif

static const struct pixel_kernels *const tables[] = {
#ifdef HAVE_avx512
    &pixel_kernels_avx512,
#endif
#ifdef HAVE_avx2
    &pixel_kernels_avx2,
#endif
#ifdef HAVE_neon
    &pixel_kernels_neon,
#endif
    &pixel_kernels_plain,  &pixel_kernels_reference,
};

const struct pixel_kernels *pixel_kernels_find(const char *isa) {
  if (!kernels_find(isa)) return NULL;
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (!strcmp(tables[i]->isa, isa)) return tables[i];
  }
  return NULL;
}

const struct pixel_kernels *pixel_kernels(void) {
  static _Atomic(const struct pixel_kernels *) chosen; /* by whoever comes first; all choose the same */
  const struct pixel_kernels *table = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (table) return table;
  error e;
  const struct kernels *kernels = kernels_select(&e); /* a wrong BACKBONES_ISA is reported where models are loaded */
  table = pixel_kernels_find(kernels ? kernels->isa : kernels_available()[0]);
  atomic_store_explicit(&chosen, table, memory_order_relaxed);
  return table;
}

size_t resize_scratch(int in_width) { return ((size_t)in_width / 4 + 2) * 2 * PIXEL_ROWS * 16; }
