/* Any bytes as a table of scores, and its comparison. */
#include <math.h>
#include <stdlib.h>

#include "evaluate/comparison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct score_table table;
  error e;
  if (scores_parse(&table, data, size, size % 2 ? ',' : '\t', &e) != OK) return 0;
  struct comparison comparison;
  if (compare(&comparison, &table, &e) == OK) {
    for (size_t b = 0; b < comparison.backbones; b++) {
      if (comparison.covered[b] && !(comparison.mean_rank[b] >= 1)) abort();
    }
    comparison_free(&comparison);
  }
  scores_free(&table);
  return 0;
}
