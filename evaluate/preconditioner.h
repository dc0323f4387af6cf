/* The inverse of what features' columns have in common: it makes a linear classifier's problem round.
 *
 * The second derivatives of the softmax loss with respect to one class's weights are near a multiple of the columns'
 * covariance S, those of the penalty are a diagonal R. With (S + R)^-1 the columns' correlations and scales are gone.
 */
#ifndef EVALUATE_PRECONDITIONER_H
#define EVALUATE_PRECONDITIONER_H

#include "evaluate/linear_pass.h"

struct preconditioner;

/* Above this width the covariance (d^2 doubles) and its inversion (d^3 multiply-adds) would cost more than they save.
 */
enum { PRECONDITIONER_MOST_FEATURES = 4096 };

/* S of the rows as the linear map sees them, whose columns have mean 0 and deviation 1; of many more rows than columns
 * every so-manieth is taken. The pool must not be NULL. */
int preconditioner_open(struct preconditioner **preconditioner, const struct linear_rows *rows, size_t d,
                        struct threads *pool, error *e);
/* R: [d], >= 0. To be called before the first preconditioner_apply(), and again when R is another. */
int preconditioner_invert(struct preconditioner *preconditioner, const double *ridge, error *e);
/* out = in (S + R)^-1 for `count` rows of d floats, in float. */
void preconditioner_apply(const struct preconditioner *preconditioner, const float *in, size_t count, float *out);
void preconditioner_close(struct preconditioner *preconditioner);

#endif
