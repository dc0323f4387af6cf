/* A battle of backbones: what is gathered on the way, and the conclusion that is drawn from it. */
#ifndef EVALUATE_BATTLE_H
#define EVALUATE_BATTLE_H

#include "evaluate/report.h"
#include "weights-tools/json.h"

struct battle {
  struct score_table scores;
  struct report_fact *facts;
  struct report_failure *failures;
  size_t fact_count, fact_capacity, failure_count, failure_capacity;
  /* Filled by battle_conclude(). */
  struct comparison comparison;
  struct standings standings;
  struct report_test *tests;
  size_t test_count;
  /* What stands for accuracy beside cost; by default mean z, or the score when there is one task. */
  char *headline;
  double *headline_scores; /* [backbones] */
};

/* Note how something was made, or what failed; texts are copied. */
int battle_fact(struct battle *battle, error *e, const char *subject, const char *what, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int battle_failure(struct battle *battle, const char *subject, const char *message, error *e);

struct battle_options {
  struct bootstrap_options bootstrap;
};

/* Compare; of sets with results photo by photo (may be 0) draw intervals and test the first against the others. */
int battle_conclude(struct battle *battle, const struct photo_results *sets, size_t set_count,
                    const struct battle_options *options, struct threads *pool, error *e);
/* results.csv, results.json and report.html in a folder, each whole or not at all. */
int battle_write(const struct battle *battle, const struct report_set *sets, size_t set_count, const char *title,
                 const char *folder, error *e);
/* What results.json holds. */
void battle_write_json(struct json_writer *w, const void *battle);
/* The ranking, as a table on standard output. */
void battle_print(const struct battle *battle);
void battle_free(struct battle *battle);

#endif
