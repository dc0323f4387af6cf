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

static double calibration_error(const struct bin *bins, size_t n) {
  double error_sum = 0;
  for (size_t b = 0; b <= ECE_BINS; b++) {
    /* |accuracy - mean confidence| * n_b / n */
    if (bins[b].n) error_sum += fabs((double)bins[b].correct - bins[b].confidence) / (double)n;
  }
  return error_sum;
}

int metrics_compute(struct metrics *metrics, const double *scores, const int *labels, size_t n, int class_count,
                    int64_t *confusion, int *choices, double *confidences, error *e) {
  size_t classes = (size_t)class_count, top5 = 0;
  *metrics = (struct metrics){.n = n};
  if (n == 0) return fail(e, "no samples to evaluate");
  size_t *seen = allocate_zeroed(2 * classes, sizeof *seen, e);
  if (!seen) return FAILED;
  size_t *hits = seen + classes;
  struct bin bins[ECE_BINS + 1] = {{0}};
  double nll = 0;
  if (confusion) memset(confusion, 0, classes * classes * sizeof *confusion);
  for (size_t i = 0; i < n; i++) {
    const double *row = scores + i * classes;
    size_t label = (size_t)labels[i], choice = first_choice(row, classes);
    double total = log_sum(row, classes), confidence = exp(row[choice] - total);
    bool correct = choice == label && !isnan(row[label]);
    size_t bin = ece_bin(confidence);
    seen[label]++;
    hits[label] += correct;
    metrics->correct += correct;
    top5 += rank_of(row, classes, label) < 5 && !isnan(row[label]);
    nll += total - row[label];
    bins[bin].n++;
    bins[bin].correct += correct;
    bins[bin].confidence += confidence;
    if (confusion) confusion[label * classes + choice]++;
    if (choices) choices[i] = (int)choice;
    if (confidences) confidences[i] = confidence;
  }
  size_t present = 0;
  for (size_t k = 0; k < classes; k++) {
    if (!seen[k]) continue;
    present++;
    metrics->mean_per_class += (double)hits[k] / (double)seen[k];
  }
  free(seen);
  metrics->mean_per_class /= (double)present;
  metrics->top1 = (double)metrics->correct / (double)n;
  metrics->top5 = (double)top5 / (double)n;
  metrics->nll = nll / (double)n;
  metrics->ece = calibration_error(bins, n);
  return OK;
}
