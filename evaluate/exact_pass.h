/* One pass over rows of features for the softmax loss, in double. */
#ifndef EVALUATE_EXACT_PASS_H
#define EVALUATE_EXACT_PASS_H

#include "evaluate/logistic.h"

struct exact_pass;
int exact_pass_open(struct exact_pass **pass, const struct logistic_data *data, struct threads *pool, error *e);
void exact_pass_close(struct exact_pass *pass);

/* What is to be set before a run: the weights of x as it is, and what is added to a class's scores, [classes]. */
void exact_pass_set_weight(struct exact_pass *pass, size_t k, size_t j, double weight);
double *exact_pass_offset(struct exact_pass *pass);

/* The sum of -log softmax(W x_i + offset)[label_i]; g: [classes, d + 1], its derivatives with respect to W and, last of
 * a row, to the offset. Memory grows with classes * d, not with the number of rows. */
double exact_pass_run(struct exact_pass *pass, double *g);

#endif
