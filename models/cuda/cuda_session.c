/* A session on the GPU: one arena by the plan's memory planner, two pictures' places so that the next piece of a batch
 * arrives while this one is computed, and the plan as a graph for pieces of full size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "models/cuda/cuda_internal.h"

enum {
  SLOTS = 2, /* pieces under way */
  WANTED_SETS = 1 << OUTPUT_COUNT,
  LEAST_TO_SPLIT = 16, /* images: smaller batches go in one piece */
};

/* A piece's own places, on the host page-locked. */
struct slot {
  float *input, *host_input;
  float *host_outputs[OUTPUT_COUNT];
  cuda_event *arrived, *done; /* its pictures are on the GPU; its outputs are on the host */
  cuda_graph *graphs[WANTED_SETS];
  int first, images; /* of the batch; images 0: none under way */
};

struct cuda_session {
  const struct cuda_model *model;
  int piece; /* images that run together */
  float *memory, *arena, *scratch;
  size_t bytes, input_floats, output_floats[OUTPUT_COUNT]; /* floats: per image */
  cuda_stream *compute, *copies;
  struct slot slots[SLOTS];
  cuda_event *before, *behind; /* an operation that is timed */
};

static size_t shape_floats(struct value_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

static size_t aligned(size_t floats) { return (floats + 63) / 64 * 64; }

/* Floats on the GPU for pieces of so many images. */
static size_t session_floats(const struct cuda_session *s, size_t images) {
  size_t arena = plan_arena_floats(s->model->plan), scratch = cuda_scratch_floats(s->model);
  return aligned(arena * images) + aligned(scratch * images) + SLOTS * aligned(s->input_floats * images);
}

/* The largest batch that fits into so many bytes, 0 for none. */
static int largest_batch(const struct cuda_session *s, size_t bytes) {
  int batch = 0;
  while (batch < 1024 && session_floats(s, (size_t)batch + 1) * sizeof(float) <= bytes) batch++;
  return batch < LEAST_TO_SPLIT ? batch : batch * SLOTS;
}

static int allocate_memory(struct cuda_session *s, int max_batch, error *e) {
  size_t images = (size_t)s->piece, floats = session_floats(s, images);
  s->bytes = floats * sizeof(float);
  s->memory = device_allocate(s->bytes);
  if (!s->memory) {
    struct cuda_device_info info = {0};
    if (device_info(&info, e) != OK) return FAILED;
    int fits = largest_batch(s, info.free - info.free / 16);
    if (fits < 1)
      return fail(e, "the GPU's memory is too small: one image needs %.0f MB, and %.0f MB are free",
                  (double)session_floats(s, 1) * 4e-6, (double)info.free * 1e-6);
    return fail(e, "a batch of %d needs %.0f MB of the GPU's memory, and %.0f MB are free: try --batch %d", max_batch,
                (double)s->bytes * 1e-6, (double)info.free * 1e-6, fits < max_batch ? fits : max_batch / 2);
  }
  s->arena = s->memory;
  s->scratch = s->arena + aligned(plan_arena_floats(s->model->plan) * images);
  float *input = s->scratch + aligned(cuda_scratch_floats(s->model) * images);
  for (int i = 0; i < SLOTS; i++) s->slots[i].input = input + (size_t)i * aligned(s->input_floats * images);
  return OK;
}

static int prepare_slot(struct cuda_session *s, struct slot *slot, error *e) {
  size_t images = (size_t)s->piece;
  slot->host_input = device_allocate_host(s->input_floats * images * sizeof(float));
  if (!slot->host_input) return fail(e, "out of page-locked memory");
  for (int o = 0; o < OUTPUT_COUNT; o++) {
    if (!s->output_floats[o]) continue;
    slot->host_outputs[o] = device_allocate_host(s->output_floats[o] * images * sizeof(float));
    if (!slot->host_outputs[o]) return fail(e, "out of page-locked memory");
  }
  slot->arrived = device_event_create(e);
  slot->done = device_event_create(e);
  return slot->arrived && slot->done ? OK : FAILED;
}

int cuda_session_start(struct cuda_session **result, const struct cuda_model *model, int max_batch, error *e) {
  *result = NULL;
  struct cuda_session *s = allocate_zeroed(1, sizeof *s, e);
  if (!s) return FAILED;
  s->model = model;
  s->piece = max_batch < LEAST_TO_SPLIT ? max_batch : (max_batch + SLOTS - 1) / SLOTS;
  s->input_floats = shape_floats(model->plan->values[INPUT_VALUE].shape);
  for (int o = 0; o < OUTPUT_COUNT; o++)
    s->output_floats[o] = shape_floats(plan_output_shape(model->plan, (enum model_output)o));
  int status = allocate_memory(s, max_batch, e);
  if (status == OK && !(s->compute = device_stream_start(e))) status = FAILED;
  if (status == OK && !(s->copies = device_stream_start(e))) status = FAILED;
  if (status == OK && !(s->before = device_event_create(e))) status = FAILED;
  if (status == OK && !(s->behind = device_event_create(e))) status = FAILED;
  for (int i = 0; status == OK && i < SLOTS; i++) status = prepare_slot(s, &s->slots[i], e);
  if (status != OK) {
    cuda_session_end(s);
    return status;
  }
  *result = s;
  return OK;
}

void cuda_session_end(struct cuda_session *s) {
  if (!s) return;
  for (int i = 0; i < SLOTS; i++) {
    struct slot *slot = &s->slots[i];
    for (int g = 0; g < WANTED_SETS; g++) device_graph_free(slot->graphs[g]);
    device_release_host(slot->host_input);
    for (int o = 0; o < OUTPUT_COUNT; o++) device_release_host(slot->host_outputs[o]);
    device_event_free(slot->arrived);
    device_event_free(slot->done);
  }
  device_event_free(s->before);
  device_event_free(s->behind);
  device_stream_end(s->compute);
  device_stream_end(s->copies);
  device_release(s->memory);
  free(s);
}

/* Every operation that a wanted output needs; timed one by one where `seconds` is given. */
static int run_ops(struct cuda_session *s, const struct cuda_place *place, unsigned wanted, double *seconds, error *e) {
  const struct plan *plan = s->model->plan;
  for (size_t i = 0; i < plan->op_count; i++) {
    if (!(plan->ops[i].needed_by & wanted)) continue;
    if (seconds) device_event_record(s->before, s->compute);
    cuda_run_op(s->model, place, i, s->compute);
    if (!seconds) continue;
    device_event_record(s->behind, s->compute);
    if (device_event_wait(s->behind, e) != OK) return FAILED;
    seconds[i] += device_event_seconds(s->before, s->behind);
  }
  return OK;
}

/* The same as a graph, recorded the first time. */
static int run_graph(struct cuda_session *s, struct slot *slot, const struct cuda_place *place, unsigned wanted,
                     error *e) {
  cuda_graph **graph = &slot->graphs[wanted];
  if (!*graph && device_capture_begin(s->compute)) {
    int status = run_ops(s, place, wanted, NULL, e);
    *graph = device_capture_end(s->compute);
    if (status != OK) return status;
  }
  if (!*graph) return run_ops(s, place, wanted, NULL, e);
  device_graph_run(*graph, s->compute);
  return OK;
}

/* Start a piece: its pictures on their way, its operations behind them, its outputs on their way back. */
static int start_piece(struct cuda_session *s, struct slot *slot, const float *input, unsigned wanted, double *seconds,
                       error *e) {
  size_t bytes = s->input_floats * (size_t)slot->images * sizeof(float);
  memcpy(slot->host_input, input, bytes);
  device_copy_in(s->copies, slot->input, slot->host_input, bytes);
  device_event_record(slot->arrived, s->copies);
  device_event_order(slot->arrived, s->compute);
  struct cuda_place place = {s->arena, s->scratch, slot->input, slot->images};
  int status = !seconds && slot->images == s->piece ? run_graph(s, slot, &place, wanted, e)
                                                    : run_ops(s, &place, wanted, seconds, e);
  if (status != OK) return status;
  for (int o = 0; o < OUTPUT_COUNT; o++) {
    if (!(wanted >> o & 1)) continue;
    const float *from = cuda_value(s->model, &place, s->model->plan->outputs[o]);
    device_copy_out(s->compute, slot->host_outputs[o], from,
                    s->output_floats[o] * (size_t)slot->images * sizeof(float));
  }
  device_event_record(slot->done, s->compute);
  return OK;
}

/* Wait for a slot's piece, if there is one, and hand its outputs over. */
static int finish_piece(struct cuda_session *s, struct slot *slot, float *const outputs[OUTPUT_COUNT], error *e) {
  if (slot->images == 0) return OK;
  size_t images = (size_t)slot->images, first = (size_t)slot->first;
  slot->images = 0;
  if (device_event_wait(slot->done, e) != OK) return FAILED;
  for (int o = 0; o < OUTPUT_COUNT; o++) {
    size_t floats = s->output_floats[o];
    if (outputs[o] && floats)
      memcpy(outputs[o] + first * floats, slot->host_outputs[o], images * floats * sizeof(float));
  }
  return OK;
}

int cuda_session_run(struct cuda_session *s, const float *input, int batch, float *const outputs[OUTPUT_COUNT],
                     double *seconds, error *e) {
  unsigned wanted = 0;
  for (unsigned o = 0; o < OUTPUT_COUNT; o++) {
    if (outputs[o] && s->output_floats[o]) wanted |= 1u << o;
  }
  int status = OK, piece = 0;
  for (int first = 0; status == OK && first < batch; first += s->piece, piece++) {
    struct slot *slot = &s->slots[piece % SLOTS];
    status = finish_piece(s, slot, outputs, e);
    slot->first = first;
    slot->images = batch - first < s->piece ? batch - first : s->piece;
    if (status == OK) status = start_piece(s, slot, input + s->input_floats * (size_t)first, wanted, seconds, e);
  }
  for (int i = 0; i < SLOTS; i++, piece++) {
    struct slot *slot = &s->slots[piece % SLOTS];
    if (status == OK) status = finish_piece(s, slot, outputs, e);
    slot->images = 0;
  }
  return status == OK ? device_check(s->compute, e) : status;
}

size_t cuda_session_bytes(const struct cuda_session *s) { return s->bytes; }

static int describe(struct gpu_facts *facts, error *e) {
  struct cuda_device_info info = {0};
  if (device_open(e) != OK || device_info(&info, e) != OK) return FAILED;
  snprintf(facts->name, sizeof facts->name, "%s", info.name);
  facts->peak_gflops = info.peak_gflops;
  facts->bandwidth_gbs = info.bandwidth_gbs;
  facts->memory = info.memory;
  return OK;
}

const struct cuda_calls cuda_calls = {
    .model_start = cuda_model_start,
    .model_end = cuda_model_end,
    .session_start = cuda_session_start,
    .session_end = cuda_session_end,
    .session_run = cuda_session_run,
    .session_bytes = cuda_session_bytes,
    .model_bytes = cuda_model_bytes,
    .describe = describe,
};
