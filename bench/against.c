#include "bench/against.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/other_load.h"

static const double least_band = 0.02;

static double noise(const struct bench_row *row) { return (row->q3 - row->q1) / row->ms; }

double against_band(const struct bench_row *before, const struct bench_row *now) {
  double band = noise(before) + noise(now);
  return band > least_band ? band : least_band;
}

static double ratio_of(const struct bench_row *before, const struct bench_row *now) {
  return now->images_per_s / before->images_per_s;
}

const char *against_verdict(const struct bench_row *before, const struct bench_row *now) {
  double ratio = ratio_of(before, now), band = against_band(before, now);
  return ratio > 1 + band ? "faster" : ratio * (1 + band) < 1 ? "slower" : "same";
}

static bool same_key(const struct bench_row *a, const struct bench_row *b) {
  return !strcmp(a->arch, b->arch) && !strcmp(a->dtype, b->dtype) && a->batch == b->batch && a->threads == b->threads;
}

/* The row that `row` is to be held against, or NULL. */
static struct bench_row *partner(struct bench_rows *rows, const struct bench_row *row) {
  for (size_t i = 0; i < rows->count; i++) {
    if (!rows->rows[i].paired && same_key(&rows->rows[i], row)) return &rows->rows[i];
  }
  return NULL;
}

/* "cpu A -> B; cores 2 -> 4", or "" for the same machine and program. */
static void tell_differences(const struct bench_rows *before, const struct bench_rows *now, char *text, size_t size) {
  const struct {
    const char *name, *before, *now;
  } facts[] = {{"cpu", before->cpu, now->cpu},
               {"gpu", *before->gpu ? before->gpu : "none", *now->gpu ? now->gpu : "none"},
               {"isa", before->isa, now->isa},
               {"version", before->version, now->version}};
  size_t used = 0;
  *text = 0;
  for (size_t i = 0; i < sizeof facts / sizeof facts[0] && used < size; i++) {
    if (!strcmp(facts[i].before, facts[i].now)) continue;
    used += (size_t)snprintf(text + used, size - used, "%s%s %s -> %s", used ? "; " : "", facts[i].name,
                             facts[i].before, facts[i].now);
  }
  if (before->cores != now->cores && used < size)
    snprintf(text + used, size - used, "%scores %d -> %d", used ? "; " : "", before->cores, now->cores);
}

static void write_key(struct json_writer *w, const struct bench_row *row) {
  json_key(w, "arch"), json_string(w, row->arch);
  json_key(w, "dtype"), json_string(w, row->dtype);
  json_key(w, "batch"), json_integer(w, row->batch);
  json_key(w, "threads"), json_integer(w, row->threads);
}

static bool disturbed(const struct bench_row *before, const struct bench_row *now) {
  return before->others > disturbing_load || now->others > disturbing_load;
}

static void compare_row(const struct bench_row *before, const struct bench_row *now, bool table,
                        struct json_writer *w) {
  double ratio = ratio_of(before, now), band = against_band(before, now);
  const char *verdict = against_verdict(before, now);
  if (table) {
    printf("%-28s %-5s %5d %7d %9.1f %9.1f %7.3f %8.1f %%  %s", now->arch, now->dtype, now->batch, now->threads,
           before->images_per_s, now->images_per_s, ratio, 100 * band, verdict);
    if (disturbed(before, now)) printf(" (others used %.1f cores before, %.1f now)", before->others, now->others);
    printf("\n");
  }
  if (!w) return;
  json_begin_object(w);
  write_key(w, now);
  json_key(w, "images_per_s_before"), json_number(w, before->images_per_s);
  json_key(w, "images_per_s"), json_number(w, now->images_per_s);
  json_key(w, "ratio"), json_number(w, ratio);
  json_key(w, "band"), json_number(w, band);
  json_key(w, "verdict"), json_string(w, verdict);
  json_key(w, "disturbed"), json_boolean(w, disturbed(before, now));
  json_end_object(w);
}

/* The rows without a partner. */
static void tell_single(const struct bench_rows *rows, const char *key, const char *where, bool table,
                        struct json_writer *w) {
  if (w) json_key(w, key), json_begin_array(w);
  for (size_t i = 0; i < rows->count; i++) {
    const struct bench_row *row = &rows->rows[i];
    if (row->paired) continue;
    if (table) {
      printf("%-28s %-5s %5d %7d  only %s: %.1f images/s\n", row->arch, row->dtype, row->batch, row->threads, where,
             row->images_per_s);
    }
    if (!w) continue;
    json_begin_object(w);
    write_key(w, row);
    json_key(w, "images_per_s"), json_number(w, row->images_per_s);
    json_end_object(w);
  }
  if (w) json_end_array(w);
}

void against_compare(struct bench_rows *now, struct bench_rows *before, const char *path, bool table,
                     struct json_writer *w) {
  char differences[1024];
  tell_differences(before, now, differences, sizeof differences);
  if (table) {
    printf("\nagainst %s: %s\n", path, *differences ? differences : "the same machine and version");
    printf("%-28s %-5s %5s %7s %9s %9s %7s %10s  %s\n", "arch", "dtype", "batch", "threads", "before", "now", "ratio",
           "noise", "verdict");
  }
  if (w) {
    json_key(w, "against"), json_begin_object(w);
    json_key(w, "file"), json_string(w, path);
    json_key(w, "differences"), json_string(w, *differences ? differences : NULL);
    json_key(w, "rows"), json_begin_array(w);
  }
  size_t faster = 0, slower = 0, same = 0, doubtful = 0;
  for (size_t i = 0; i < now->count; i++) {
    struct bench_row *row = &now->rows[i], *earlier = partner(before, row);
    if (!earlier) continue;
    row->paired = earlier->paired = true;
    compare_row(earlier, row, table, w);
    const char *verdict = against_verdict(earlier, row);
    faster += !strcmp(verdict, "faster");
    slower += !strcmp(verdict, "slower");
    same += !strcmp(verdict, "same");
    doubtful += disturbed(earlier, row);
  }
  if (w) json_end_array(w);
  tell_single(now, "only_now", "now", table, w);
  tell_single(before, "only_before", "before", table, w);
  if (w) json_end_object(w);
  if (!table) return;
  printf("%zu faster, %zu slower, %zu the same", faster, slower, same);
  if (doubtful) printf("; others disturbed %zu of them", doubtful);
  printf("\n");
}
