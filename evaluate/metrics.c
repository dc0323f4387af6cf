#include "evaluate/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"

/* Classes that come before `k` in the order of falling score, then rising index. */
static size_t rank_of(const double *scores, size_t classes, size_t k) {
  size_t before = 0;
  for (size_t j = 0; j < classes; j++) {
    if (j == k) continue;
    /* Comparisons with NaN are false: written so that NaN counts against the label. */
    bool after = scores[j] < scores[k] || (!(scores[j] > scores[k]) && scores[j] <= scores[k] && j > k);
    before += !after;
  }
  return before;
}

static size_t first_choice(const double *scores, size_t classes) {
  size_t best = 0;
  for (size_t k = 0; k < classes; k++) {
    if (isnan(scores[k])) return k;
    if (scores[k] > scores[best]) best = k;
  }
  return best;
}

/* log(sum of exp) */
static double log_sum(const double *scores, size_t classes) {
  double most = -INFINITY, sum = 0;
  for (size_t k = 0; k < classes; k++) {
    if (scores[k] > most) most = scores[k];
  }
  for (size_t k = 0; k < classes; k++) sum += exp(scores[k] - most);
  return most + log(sum);
}

size_t ece_bin(double probability) {
  double place = probability * ECE_BINS + 1e-6;
  return place >= 0 && place < ECE_BINS ? (size_t)place : ECE_BINS;
}

struct bin {
  size_t n, correct;
  double confidence;
};

struct metrics_sums {
  size_t classes, n, correct, top5;
  double nll;
  struct bin bins[ECE_BINS + 1];
  size_t *seen, *hits; /* [classes]: samples, and those whose first choice is right */
};

int metrics_open(struct metrics_sums **result, int classes, error *e) {
  struct metrics_sums *sums = *result = allocate_zeroed(1, sizeof *sums, e);
  if (!sums) return FAILED;
  sums->classes = (size_t)classes;
  sums->seen = allocate_zeroed(2 * sums->classes, sizeof *sums->seen, e);
  if (!sums->seen) {
    metrics_close(sums);
    *result = NULL;
    return FAILED;
  }
  sums->hits = sums->seen + classes;
  return OK;
}

void metrics_close(struct metrics_sums *sums) {
  if (sums) free(sums->seen);
  free(sums);
}

void metrics_add(struct metrics_sums *sums, const double *scores, const int *labels, size_t n, int64_t *confusion,
                 int *choices, double *confidences) {
  size_t classes = sums->classes;
  for (size_t i = 0; i < n; i++) {
    const double *row = scores + i * classes;
    size_t label = (size_t)labels[i], choice = first_choice(row, classes);
    double total = log_sum(row, classes), confidence = exp(row[choice] - total);
    bool correct = choice == label && !isnan(row[label]);
    size_t bin = ece_bin(confidence);
    sums->seen[label]++;
    sums->hits[label] += correct;
    sums->correct += correct;
    sums->top5 += rank_of(row, classes, label) < 5 && !isnan(row[label]);
    sums->nll += total - row[label];
    sums->bins[bin].n++;
    sums->bins[bin].correct += correct;
    sums->bins[bin].confidence += confidence;
    if (confusion) confusion[label * classes + choice]++;
    if (choices) choices[i] = (int)choice;
    if (confidences) confidences[i] = confidence;
  }
  sums->n += n;
}

static double calibration_error(const struct bin *bins, size_t n) {
  double error_sum = 0;
  for (size_t b = 0; b <= ECE_BINS; b++) {
    /* |accuracy - mean confidence| * n_b / n */
    if (bins[b].n) error_sum += fabs((double)bins[b].correct - bins[b].confidence) / (double)n;
  }
  return error_sum;
}

int metrics_read(const struct metrics_sums *sums, struct metrics *metrics, error *e) {
  *metrics = (struct metrics){.n = sums->n, .correct = sums->correct};
  if (sums->n == 0) return fail(e, "no samples to evaluate");
  size_t present = 0;
  for (size_t k = 0; k < sums->classes; k++) {
    if (!sums->seen[k]) continue;
    present++;
    metrics->mean_per_class += (double)sums->hits[k] / (double)sums->seen[k];
  }
  metrics->mean_per_class /= (double)present;
  metrics->top1 = (double)sums->correct / (double)sums->n;
  metrics->top5 = (double)sums->top5 / (double)sums->n;
  metrics->nll = sums->nll / (double)sums->n;
  metrics->ece = calibration_error(sums->bins, sums->n);
  return OK;
}

int metrics_compute(struct metrics *metrics, const double *scores, const int *labels, size_t n, int classes,
                    int64_t *confusion, int *choices, double *confidences, error *e) {
  struct metrics_sums *sums;
  *metrics = (struct metrics){.n = n};
  if (metrics_open(&sums, classes, e) != OK) return FAILED;
  if (confusion) memset(confusion, 0, sums->classes * sums->classes * sizeof *confusion);
  metrics_add(sums, scores, labels, n, confusion, choices, confidences);
  int status = metrics_read(sums, metrics, e);
  metrics_close(sums);
  return status;
}
