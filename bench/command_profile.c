/* `backbones profile`: where the time of one architecture goes, a row an operation and a row a kind. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/machine.h"
#include "bench/profile.h"
#include "evaluate/options.h"

static int read_options(const struct arguments *arguments, struct profile *profile, error *e) {
  *profile =
      (struct profile){.arch = option_text(arguments, "--arch"),
                       .weights = option_text(arguments, "--weights"),
                       .device = option_given(arguments, "--device") ? option_text(arguments, "--device") : "cpu",
                       .seconds = 2};
  long long batch = 1, threads = usable_cores();
  int status = option_integer(arguments, "--batch", 1, 1024, &batch, e);
  if (status == OK) status = option_integer(arguments, "--threads", 1, 1024, &threads, e);
  if (status == OK) status = option_real(arguments, "--seconds", 0.01, 3600, &profile->seconds, e);
  if (status == OK) status = placement_describe(profile->device, &profile->gpu, e);
  profile->batch = (int)batch;
  profile->threads = profile->gpu.name[0] ? 1 : (int)threads;
  if (status == OK && !profile->arch && !profile->weights)
    status = usage_error(e, "--arch NAME or --weights WEIGHTS is needed");
  return status;
}

static int write_report(const struct arguments *arguments, const struct profile *profile, error *e) {
  char *command = arguments_as_typed(arguments, e);
  int status = command ? profile_write_report(profile, option_text(arguments, "--report"), command, e) : FAILED;
  free(command);
  return status;
}

static int run_command(const struct arguments *arguments, error *e) {
  struct profile profile;
  const char *trace = option_text(arguments, "--trace");
  int status = read_options(arguments, &profile, e);
  if (status == OK && !kernels_select(e)) status = FAILED;
  if (status == OK) status = profile_measure(&profile, e);
  if (status == OK && option_given(arguments, "--report")) status = write_report(arguments, &profile, e);
  if (status == OK && trace) status = profile_write_trace(&profile, trace, e);
  if (status == OK && option_given(arguments, "--json"))
    status = profile_print_json(&profile, e);
  else if (status == OK)
    profile_print(&profile);
  profile_free(&profile);
  return status;
}

static const struct option options[] = {
    {"--arch", 'a', "NAME", "the architecture, with seeded weights"},
    {"--weights", 'w', "WEIGHTS", "a checkpoint instead"},
    {"--batch", 'b', "N", "batch size (default 1)"},
    {"--threads", 't', "N", "threads (default: all)"},
    {"--device", 0, "DEVICE", "cpu (default) or cpu:bf16; an NVIDIA GPU: cuda, cuda:tf32, cuda:bf16 or auto"},
    {"--seconds", 's', "S", "time to measure (default 2)"},
    {"--trace", 0, "FILE", "write a trace for chrome://tracing or Perfetto"},
    {"--report", 0, "FILE", "write an HTML page: roofline, bars, tables"},
    {"--json", 0, NULL, "print one JSON object"},
    {0},
};

extern const struct command command_profile;
const struct command command_profile = {
    .name = "profile",
    .usage = "--arch NAME [options]",
    .summary = "where a model's time goes, operation by operation",
    .details =
        "MB: what the operation reads and writes once. FLOP/B: FLOP for each of these bytes. roofline: the least time\n"
        "that the measured peak and bandwidth allow, on a CPU with activations and softmax at their measured rates\n"
        "added, over the time taken; over 100 % where the data lay in a cache,\n"
        "Winograd saves multiplications (FLOPs are those of the direct sum), or bfloat16 is faster than float32, "
        "whose\n"
        "peak it is. Where the kernel lets the program count (perf_event_open), also cache misses (of the last level "
        "on\n"
        "Intel's processors, of the second on AMD's) and instructions a cycle, of all threads in user mode, waiting\n"
        "included.",
    .options = options,
    .run = run_command,
};
