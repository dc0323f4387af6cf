/* Where the relevant rows of a query stand among all rows, in the order of falling score, then rising index. */
#ifndef EVALUATE_RANKS_H
#define EVALUATE_RANKS_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch (8-byte aligned) for at most `most` relevant rows. */
size_t ranks_scratch_bytes(size_t most);
/* scores: finite [n]. relevant: [count] rows, rising. Row `except` takes no part (SIZE_MAX: all do).
 * Returns the ranks of the relevant rows, from 1, rising; they lie in scratch. *found: how many, count or one less. */
const uint32_t *ranks_find(const float *scores, size_t n, size_t except, const uint32_t *relevant, size_t count,
                           void *scratch, size_t *found);

#endif
