/* A profile as tables, JSON and a trace. */
#include <math.h>
#include <stdio.h>

#include "bench/other_load.h"
#include "bench/profile.h"
#include "evaluate/output.h"
#include "weights-tools/json.h"

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static bool has_pace(const struct profile *profile) {
  return profile_counted(profile, PERF_INSTRUCTIONS) && profile_counted(profile, PERF_CYCLES);
}

static void print_heading(const struct profile *profile, const char *left, const char *right) {
  printf("\n%-26s %9s %8s %8s %9s %7s %8s", left, "ms", "share", "GFLOP/s", "MB", "FLOP/B", "roofline");
  if (profile_counted(profile, PERF_CACHE_MISSES)) printf(" %10s", "misses");
  if (has_pace(profile)) printf(" %9s", "ins/cycle");
  printf("  %s\n", right);
}

static void print_row(const struct profile *profile, const char *left, const struct profile_row *row) {
  printf("%-26s %9.3f %6.1f %% %8.1f %9.2f %7.2f %6.1f %%", left, row->seconds * 1e3,
         100 * row->seconds / profile->total, row->flops / row->seconds * 1e-9, row->bytes * 1e-6,
         profile_intensity(row), 100 * profile_least_seconds(profile, row) / row->seconds);
  if (profile_counted(profile, PERF_CACHE_MISSES)) printf(" %10.0f", row->counts[PERF_CACHE_MISSES]);
  if (has_pace(profile)) printf(" %9.2f", row->counts[PERF_INSTRUCTIONS] / fmax(1, row->counts[PERF_CYCLES]));
}

void profile_print(const struct profile *profile) {
  printf("batch %d, %d thread%s, %zu runs: %.2f ms a batch, %.1f images/s\n", profile->batch, profile->threads,
         profile->threads == 1 ? "" : "s", profile->runs, profile->total * 1e3, profile->batch / profile->total);
  if (profile->gpu.name[0])
    printf("%s: FMA peak %.1f GFLOP/s, memory %.1f GB/s (as the card states them)\n", profile->gpu.name, profile->peak,
           profile->bandwidth);
  else
    printf("FMA peak %.1f GFLOP/s, copy bandwidth %.1f GB/s (measured now)\n", profile->peak, profile->bandwidth);
  if (profile->others > disturbing_load) printf("others used %.1f cores meanwhile\n", profile->others);
  if (profile->uncounted[0]) printf("not counted: %s\n", profile->uncounted);
  print_heading(profile, "operation", "kind");
  for (size_t i = 0; i < profile->count; i++) {
    print_row(profile, profile->rows[i].name, &profile->rows[i]);
    printf("  %s, %s\n", profile->rows[i].kind, profile->rows[i].shape);
  }
  print_heading(profile, "kind", "operations");
  for (size_t i = 0; i < profile->kind_count; i++) {
    print_row(profile, profile->kinds[i].kind, &profile->kinds[i]);
    printf("  %d\n", profile->kinds[i].operations);
  }
  double least = profile_least_total(profile);
  printf("\nwith every operation at its roofline: %.2f ms, %.1f %% of the time taken\n", least * 1e3,
         100 * least / profile->total);
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void write_rows(struct json_writer *w, const struct profile *profile, const struct profile_row *rows, size_t n,
                       bool named) {
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    const struct profile_row *row = &rows[i];
    json_begin_object(w);
    if (named) {
      json_key(w, "name"), json_string(w, row->name);
      json_key(w, "shape"), json_string(w, row->shape);
    }
    json_key(w, "kind"), json_string(w, row->kind);
    json_key(w, "operations"), json_integer(w, row->operations);
    json_key(w, "ms"), json_number(w, row->seconds * 1e3);
    json_key(w, "share"), json_number(w, row->seconds / profile->total);
    json_key(w, "gflops"), json_number(w, row->flops / row->seconds * 1e-9);
    json_key(w, "bytes"), json_number(w, row->bytes);
    json_key(w, "intensity"), json_number(w, profile_intensity(row));
    if (row->function_seconds > 0) json_key(w, "function_ms"), json_number(w, row->function_seconds * 1e3);
    json_key(w, "roofline_share"), json_number(w, profile_least_seconds(profile, row) / row->seconds);
    for (size_t c = 0; c < PERF_PROFILE_EVENTS; c++) {
      if (profile_counted(profile, c)) json_key(w, perf_profile_events[c].name), json_number(w, row->counts[c]);
    }
    json_end_object(w);
  }
  json_end_array(w);
}

int profile_print_json(const struct profile *profile, error *e) {
  struct json_writer w = json_writer_to(stdout);
  json_begin_object(&w);
  json_key(&w, "batch"), json_integer(&w, profile->batch);
  json_key(&w, "threads"), json_integer(&w, profile->threads);
  json_key(&w, "ms"), json_number(&w, profile->total * 1e3);
  json_key(&w, "least_ms"), json_number(&w, profile_least_total(profile) * 1e3);
  json_key(&w, "peak_gflops"), json_number(&w, profile->peak);
  json_key(&w, "other_cores"), json_number(&w, profile->others);
  json_key(&w, "bandwidth_gbs"), json_number(&w, profile->bandwidth);
  if (profile->uncounted[0]) json_key(&w, "not_counted"), json_string(&w, profile->uncounted);
  json_key(&w, "ops"), write_rows(&w, profile, profile->rows, profile->count, true);
  json_key(&w, "kinds"), write_rows(&w, profile, profile->kinds, profile->kind_count, false);
  json_end_object(&w);
  return json_writer_finish(&w, e);
}

/* ---- trace ------------------------------------------------------------------------------------------------------- */

/* Complete events, microseconds. */
int profile_write_trace(const struct profile *profile, const char *path, error *e) {
  struct output output;
  if (output_open(&output, path, e) != OK) return FAILED;
  struct json_writer w = json_writer_to(output.stream);
  json_begin_object(&w);
  json_key(&w, "displayTimeUnit"), json_string(&w, "ms");
  json_key(&w, "traceEvents"), json_begin_array(&w);
  double at = 0;
  for (size_t i = 0; i < profile->count; i++) {
    const struct profile_row *row = &profile->rows[i];
    json_begin_object(&w);
    json_key(&w, "name"), json_string(&w, row->name);
    json_key(&w, "cat"), json_string(&w, row->kind);
    json_key(&w, "ph"), json_string(&w, "X");
    json_key(&w, "pid"), json_integer(&w, 1);
    json_key(&w, "tid"), json_integer(&w, 1);
    json_key(&w, "ts"), json_number(&w, at * 1e6);
    json_key(&w, "dur"), json_number(&w, row->seconds * 1e6);
    json_key(&w, "args"), json_begin_object(&w);
    json_key(&w, "shape"), json_string(&w, row->shape);
    json_key(&w, "gflops"), json_number(&w, row->flops / row->seconds * 1e-9);
    json_key(&w, "intensity"), json_number(&w, profile_intensity(row));
    json_end_object(&w);
    json_end_object(&w);
    at += row->seconds;
  }
  json_end_array(&w);
  json_end_object(&w);
  if (json_writer_finish(&w, e) != OK) {
    output_abandon(&output);
    return fail_within(e, "%s", path);
  }
  return output_commit(&output, e);
}
