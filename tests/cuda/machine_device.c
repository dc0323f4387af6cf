/* kernels/cuda/device.h on the simulated machine: every stream does at once what it is told, but while it records. */
#include "kernels/cuda/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "tests/cuda/machine.h"

struct recorded {
  struct machine_launch launch;
  unsigned char arguments[512];
  size_t size;
};

struct cuda_graph {
  struct recorded *launches;
  size_t count, capacity;
};

struct cuda_stream {
  struct cuda_graph *recording;
};

struct cuda_event {
  int unused;
};

static size_t memory_left = (size_t)4 << 30;

void machine_limit_memory(size_t bytes) { memory_left = bytes; }

int device_open(error *e) {
  (void)e;
  return OK;
}

int device_info(struct cuda_device_info *info, error *e) {
  (void)e;
  *info = (struct cuda_device_info){.name = "simulated",
                                    .major = 9,
                                    .memory = memory_left,
                                    .free = memory_left,
                                    .peak_gflops = 1,
                                    .bandwidth_gbs = 1};
  return OK;
}

bool device_has_tensor_cores(void) { return true; }

void *device_allocate(size_t bytes) { return bytes > memory_left ? NULL : machine_allocate((bytes + 3) / 4); }
void device_release(void *memory) { machine_release(memory); }
void *device_allocate_host(size_t bytes) { return malloc(bytes ? bytes : 1); }
void device_release_host(void *memory) { free(memory); }

int device_upload(void *to, const void *from, size_t bytes, error *e) {
  (void)e;
  memcpy(to, from, bytes);
  return OK;
}

cuda_stream *device_stream_start(error *e) { return allocate_zeroed(1, sizeof(cuda_stream), e); }
void device_stream_end(cuda_stream *stream) { free(stream); }

void device_copy_in(cuda_stream *stream, void *to, const void *from, size_t bytes) {
  (void)stream;
  memcpy(to, from, bytes);
}
void device_copy_out(cuda_stream *stream, void *to, const void *from, size_t bytes) {
  (void)stream;
  memcpy(to, from, bytes);
}

int device_check(cuda_stream *stream, error *e) {
  (void)stream;
  return machine_problem()[0] ? fail(e, "%s", machine_problem()) : OK;
}

cuda_event *device_event_create(error *e) { return allocate_zeroed(1, sizeof(cuda_event), e); }
void device_event_free(cuda_event *event) { free(event); }
void device_event_record(cuda_event *event, cuda_stream *stream) {
  (void)event;
  (void)stream;
}
void device_event_order(cuda_event *event, cuda_stream *stream) {
  (void)event;
  (void)stream;
}
int device_event_wait(cuda_event *event, error *e) {
  (void)event;
  return device_check(NULL, e);
}
double device_event_seconds(cuda_event *from, cuda_event *to) {
  (void)from;
  (void)to;
  return 1e-6;
}

/* ---- graphs ---- */

bool machine_record(void *stream_, const struct machine_launch *launch, const void *arguments, size_t size) {
  cuda_stream *stream = stream_;
  if (!stream || !stream->recording) return false;
  struct cuda_graph *graph = stream->recording;
  error ignored;
  if (size > sizeof graph->launches->arguments ||
      grow((void **)&graph->launches, &graph->capacity, graph->count, sizeof *graph->launches, &ignored) != OK)
    abort();
  struct recorded *recorded = &graph->launches[graph->count++];
  recorded->launch = *launch;
  recorded->size = size;
  memcpy(recorded->arguments, arguments, size);
  return true;
}

bool device_capture_begin(cuda_stream *stream) {
  error ignored;
  stream->recording = allocate_zeroed(1, sizeof(struct cuda_graph), &ignored);
  return stream->recording != NULL;
}

cuda_graph *device_capture_end(cuda_stream *stream) {
  cuda_graph *graph = stream->recording;
  stream->recording = NULL;
  return graph;
}

void device_graph_run(cuda_graph *graph, cuda_stream *stream) {
  for (size_t i = 0; i < graph->count; i++) {
    struct recorded *recorded = &graph->launches[i];
    machine_launch(stream, &recorded->launch, recorded->arguments, recorded->size);
  }
}

void device_graph_free(cuda_graph *graph) {
  if (!graph) return;
  free(graph->launches);
  free(graph);
}
