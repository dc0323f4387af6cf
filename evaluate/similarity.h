/* Cosine similarities of many rows with many rows, a block at a time: the matrix of all of them is never in memory.
 *
 * Rows are scaled to length 1 in double and stored as float (a row of zeros stays zeros), and a similarity is the GEMM
 * tile's sum over the features in rising order: its bits depend on the two rows and the instruction set only, never on
 * threads, blocks or neighbours. */
#ifndef EVALUATE_SIMILARITY_H
#define EVALUATE_SIMILARITY_H

#include <stddef.h>

#include "kernels/threads.h"

struct similarity;

/* Receives the similarities of one query to gallery rows [first, first + n). A query's calls come with rising `first`,
 * one after the other; different queries' calls come from several threads at once. */
typedef void similarity_visit(void *context, size_t query, size_t first, const float *scores, size_t n);

/* gallery: finite [n, d], which must outlive this; at most `most_queries` rows a call of similarity_run(). Memory:
 * most_queries * d floats, n doubles and a block of the gallery. The pool must not be NULL. */
int similarity_open(struct similarity **similarity, const float *gallery, size_t n, size_t d, size_t most_queries,
                    struct threads *pool, error *e);
/* queries: finite [count, d]. Queries are numbered from 0 in the calls of `visit`. Reads the gallery once. */
void similarity_run(struct similarity *similarity, const float *queries, size_t count, similarity_visit *visit,
                    void *context);
void similarity_close(struct similarity *similarity);

/* One over the 2-norm of a row of d finite floats, in double, whatever its size; 0 of a row of zeros. */
double similarity_scale(const float *row, size_t d);

#endif
