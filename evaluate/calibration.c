#include "evaluate/calibration.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/memory.h"

/* The softmax of a row of scores divided by the temperature; returns the logarithm of the label's probability. */
static double softmax(const double *scores, size_t classes, double inverse, size_t label, double *p) {
  double most = -INFINITY, sum = 0;
  for (size_t k = 0; k < classes; k++) most = fmax(most, scores[k]);
  for (size_t k = 0; k < classes; k++) sum += p[k] = exp((scores[k] - most) * inverse);
  for (size_t k = 0; k < classes; k++) p[k] /= sum;
  return (scores[label] - most) * inverse - log(sum);
}

/* Sums over the images of one bin, of the first choices or of one class. */
struct sums {
  double n, probability, hits;
};

static void add(struct sums *bin, double probability, bool hit) {
  bin->n++;
  bin->probability += probability;
  bin->hits += hit;
}

static double expected_error(const struct sums *bins, size_t n) {
  double sum = 0;
  for (size_t b = 0; b <= ECE_BINS; b++) sum += fabs(bins[b].hits - bins[b].probability) / (double)n;
  return sum;
}

int calibration_compute(struct calibration *c, const double *scores, const int *labels, size_t n, int class_count,
                        double temperature, error *e) {
  size_t classes = (size_t)class_count;
  *c = (struct calibration){.temperature = temperature};
  if (n == 0) return fail(e, "no samples to evaluate");
  double *p = allocate(classes, sizeof *p, e);
  struct sums first[ECE_BINS + 1] = {{0}}, *by_class = allocate_zeroed(classes, sizeof first, e);
  if (!p || !by_class) {
    free(p);
    free(by_class);
    return FAILED;
  }
  for (size_t i = 0; i < n; i++) {
    size_t label = (size_t)labels[i], choice = 0;
    c->nll -= softmax(scores + i * classes, classes, 1 / temperature, label, p) / (double)n;
    for (size_t k = 0; k < classes; k++) {
      if (scores[i * classes + k] > scores[i * classes + choice]) choice = k;
      double difference = p[k] - (k == label);
      c->brier += difference * difference / (double)n;
      add(&by_class[k * (ECE_BINS + 1) + ece_bin(p[k])], p[k], k == label);
    }
    add(&first[ece_bin(p[choice])], p[choice], choice == label);
  }
  c->ece = expected_error(first, n);
  for (size_t k = 0; k < classes; k++)
    c->classwise += expected_error(by_class + k * (ECE_BINS + 1), n) / (double)classes;
  for (size_t b = 0; b <= ECE_BINS; b++) {
    struct calibration_bin *bin = &c->bins[b];
    bin->n = (size_t)first[b].n;
    bin->confidence = bin->n ? first[b].probability / first[b].n : 0;
    bin->accuracy = bin->n ? first[b].hits / first[b].n : 0;
  }
  free(p);
  free(by_class);
  return OK;
}

/* The first and second derivative of the mean NLL in the inverse temperature: the mean over images of the expected
 * score less the label's, and of the scores' variance. */
static void derivatives(const double *scores, const int *labels, size_t n, size_t classes, double inverse,
                        double *first, double *second) {
  *first = *second = 0;
  for (size_t i = 0; i < n; i++) {
    const double *row = scores + i * classes;
    double most = -INFINITY, sum = 0, mean = 0, square = 0;
    for (size_t k = 0; k < classes; k++) most = fmax(most, row[k]);
    for (size_t k = 0; k < classes; k++) {
      double below = row[k] - most, weight = exp(below * inverse);
      sum += weight;
      mean += weight * below;
      square += weight * below * below;
    }
    mean /= sum;
    *first += (mean - (row[labels[i]] - most)) / (double)n;
    *second += (square / sum - mean * mean) / (double)n;
  }
}

double calibration_fit_temperature(const double *scores, const int *labels, size_t n, int classes) {
  enum { STEPS = 200 };
  double low = 1e-3, high = 1e3, inverse = 1; /* of the root of the first derivative, which rises */
  for (int i = 0; i < STEPS && high - low > 1e-12 * high; i++) {
    double first, second;
    derivatives(scores, labels, n, (size_t)classes, inverse, &first, &second);
    if (first > 0) {
      high = inverse;
    } else {
      low = inverse;
    }
    double next = second > 0 ? inverse - first / second : low;
    /* Newton's steps are fast near the minimum; halving the bracket in turn leaves flat stretches. */
    if (i % 2 || !(next > low && next < high)) next = sqrt(low * high);
    inverse = next;
  }
  return 1 / inverse;
}
