/* A GPU as the back end sees it: memory, streams, events, graphs, and what went wrong. kernels/cuda/device.cu is the
 * CUDA runtime's; tests/cuda/machine_device.c the simulated machine's. */
#ifndef KERNELS_CUDA_DEVICE_H
#define KERNELS_CUDA_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/cuda/kernels.h"
#include "kernels/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct cuda_device_info {
  char name[256];
  int major, minor, multiprocessors; /* compute capability */
  size_t memory, free;               /* bytes */
  double peak_gflops, bandwidth_gbs; /* float32 FMA at the top clock, and of the memory: as the card states them */
};

/* The first GPU. FAILED in one line: no driver, a driver older than the toolkit, no GPU, one that this build has no
 * code for. */
int device_open(error *e);
int device_info(struct cuda_device_info *info, error *e);
/* Whether the GPU multiplies TF32 and bfloat16 (sm_80 and later). */
bool device_has_tensor_cores(void);

/* NULL when there is no such memory: device_info() says how much is free. Host memory is page-locked. */
void *device_allocate(size_t bytes);
void device_release(void *memory);
void *device_allocate_host(size_t bytes);
void device_release_host(void *memory);
/* Waits until it is done. */
int device_upload(void *to, const void *from, size_t bytes, error *e);

cuda_stream *device_stream_start(error *e);
void device_stream_end(cuda_stream *stream);
/* In the stream's order; memory of the host must be device_allocate_host()'s and stay until the stream is there. */
void device_copy_in(cuda_stream *stream, void *to, const void *from, size_t bytes);
void device_copy_out(cuda_stream *stream, void *to, const void *from, size_t bytes);
/* Wait for all of the stream's work. FAILED with the first thing that went wrong in any launch or copy until now. */
int device_check(cuda_stream *stream, error *e);

typedef struct cuda_event cuda_event;
cuda_event *device_event_create(error *e);
void device_event_free(cuda_event *event);
void device_event_record(cuda_event *event, cuda_stream *stream);
/* What follows on the stream waits for the event; and this thread does. */
void device_event_order(cuda_event *event, cuda_stream *stream);
int device_event_wait(cuda_event *event, error *e);
/* From one event to another, both of which are over. */
double device_event_seconds(cuda_event *from, cuda_event *to);

/* Launches between begin and end are not done but become a graph, which replays them; NULL when they could not. */
typedef struct cuda_graph cuda_graph;
bool device_capture_begin(cuda_stream *stream);
cuda_graph *device_capture_end(cuda_stream *stream);
void device_graph_run(cuda_graph *graph, cuda_stream *stream);
void device_graph_free(cuda_graph *graph);

#ifdef __cplusplus
}
#endif

#endif
