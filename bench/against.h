/* `bench --against FILE`: the rows of a run beside those of an earlier one.
 *
 * A row's noise is its quartile span over its median, (q3 - q1) / median: half of its runs lie within it. The band of a
 * pair is the sum of both rows' noise, at least 2 %, which one process's runs do not show but two processes' do (pages,
 * clock, neighbours). With r = images/s now over images/s before the verdict is "faster" when r > 1 + band, "slower"
 * when r < 1 / (1 + band), and else "same": a pair and its reverse have opposite verdicts.
 * A row during which other programs kept cores busy is marked: its verdict may be theirs. */
#ifndef BENCH_AGAINST_H
#define BENCH_AGAINST_H

#include "models/architecture.h"
#include "weights-tools/json.h"

/* What a comparison needs of a row: the key, then milliseconds a batch. */
struct bench_row {
  char arch[MAX_ARCH_NAME], dtype[16];
  int batch, threads;
  double images_per_s, ms, q1, q3;
  double others; /* cores that other programs used meanwhile; 0 where it was not told */
  bool paired;
};

struct bench_rows {
  struct bench_row *rows;
  size_t count, capacity;
  /* The machine that ran them. `gpu` is "" on a CPU. */
  char cpu[256], gpu[256], isa[32], version[32];
  int cores;
};

void bench_rows_free(struct bench_rows *rows);
int bench_rows_add(struct bench_rows *rows, const struct bench_row *row, error *e);
/* Read what `bench --json` or `--out` wrote. Errors read "PATH: rows[2]: ms_q1: what is wrong" or, where it is no JSON,
 * "PATH: byte N: reason". */
int bench_rows_read(struct bench_rows *rows, const char *path, error *e);

double against_band(const struct bench_row *before, const struct bench_row *now);
/* "faster", "slower" or "same". */
const char *against_verdict(const struct bench_row *before, const struct bench_row *now);

/* Pair the rows by arch, dtype, batch and threads (the n-th of equal ones with the n-th); print the table when `table`,
 * and write the member "against" into w's open object when w is not NULL. */
void against_compare(struct bench_rows *now, struct bench_rows *before, const char *path, bool table,
                     struct json_writer *w);

#endif
