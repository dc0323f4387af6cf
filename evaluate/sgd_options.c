#include "evaluate/sgd_options.h"

#include <stdlib.h>
#include <string.h>

static const char *const optimizers[] = {[SGD_LARS] = "lars", [SGD_PLAIN] = "sgd"};

const char *sgd_optimizer_name(enum sgd_optimizer optimizer) { return optimizers[optimizer]; }

static int read_optimizer(const struct arguments *arguments, enum sgd_optimizer *optimizer, error *e) {
  const char *name = option_text(arguments, "--optimizer");
  if (!name) return OK;
  for (int i = SGD_LARS; i <= SGD_PLAIN; i++) {
    if (strcmp(name, optimizers[i]) != 0) continue;
    *optimizer = (enum sgd_optimizer)i;
    return OK;
  }
  return usage_error(e, "--optimizer %s: lars or sgd", name);
}

/* What would have no effect is refused. */
static int refuse_others(const struct arguments *arguments, bool sgd, error *e) {
  static const char *const of_sgd[] = {"--optimizer", "--epochs",       "--warmup",        "--batch", "--lr",
                                       "--momentum",  "--weight-decay", "--no-batch-norm", NULL};
  static const char *const of_lbfgs[] = {"--C", "--standardize", "--max-iterations", "--tolerance", NULL};
  for (const char *const *name = sgd ? of_lbfgs : of_sgd; *name; name++) {
    if (option_given(arguments, *name)) {
      return usage_error(e, "%s belongs to --protocol %s", *name, sgd ? "lbfgs" : "sgd");
    }
  }
  return OK;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int sgd_options_read(const struct arguments *arguments, bool *sgd, struct sgd_options *options, double **rates,
                     size_t *rate_count, error *e) {
  const char *protocol = option_text(arguments, "--protocol");
  *options = sgd_defaults();
  *sgd = protocol && strcmp(protocol, "sgd") == 0;
  if (protocol && !*sgd && strcmp(protocol, "lbfgs") != 0) {
    return usage_error(e, "--protocol %s: lbfgs or sgd", protocol);
  }
  long long epochs = options->epochs, warmup = options->warmup, batch = (long long)options->batch;
  int status = refuse_others(arguments, *sgd, e);
  if (status == OK) status = read_optimizer(arguments, &options->optimizer, e);
  if (status == OK) status = option_integer(arguments, "--epochs", 1, 100000, &epochs, e);
  if (!option_given(arguments, "--warmup") && warmup > epochs) warmup = epochs;
  if (status == OK) status = option_integer(arguments, "--warmup", 0, epochs, &warmup, e);
  if (status == OK) status = option_integer(arguments, "--batch", 1, 1 << 20, &batch, e);
  if (status == OK) status = option_reals(arguments, "--lr", 1e-9, 1e9, rates, rate_count, e);
  if (status == OK && *rate_count) qsort(*rates, *rate_count, sizeof **rates, by_value);
  if (status == OK) status = option_real(arguments, "--momentum", 0, 0.9999, &options->momentum, e);
  if (status == OK) status = option_real(arguments, "--weight-decay", 0, 100, &options->weight_decay, e);
  options->epochs = (int)epochs;
  options->warmup = (int)warmup;
  options->batch = (size_t)batch;
  options->batch_norm = !option_given(arguments, "--no-batch-norm");
  return status;
}
