/* kernels/cuda/device.h on the CUDA runtime. It is linked statically and itself loads the driver when it is first asked
 * for: the program starts, and works without a GPU, where there is none. */
#include "kernels/cuda/device.h"

#include <stdio.h>
#include <string.h>

#include "kernels/cuda/language.h"

/* A kernel to ask whether this build has code for the GPU. */
static __global__ void nothing() {}

static int failed(error *e, const char *what, cudaError_t status) {
  return fail(e, "%s: %s", what, cudaGetErrorString(status));
}

static int attribute(cudaDeviceAttr which) {
  int value = 0;
  cudaDeviceGetAttribute(&value, which, 0);
  return value;
}

int device_open(error *e) {
  int devices = 0, driver = 0;
  cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver || status == cudaErrorStubLibrary) {
    cudaDriverGetVersion(&driver);
    if (driver == 0) return fail(e, "--device cuda: no NVIDIA driver is installed");
    return fail(e, "--device cuda: the driver is of CUDA %d.%d, older than this build's CUDA %d.%d", driver / 1000,
                driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && devices == 0))
    return fail(e, "--device cuda: there is no NVIDIA GPU");
  if (status == cudaSuccess) status = cudaSetDevice(0);
  if (status != cudaSuccess) return failed(e, "--device cuda", status);
  cudaFuncAttributes found;
  status = cudaFuncGetAttributes(&found, (const void *)nothing);
  if (status == cudaErrorNoKernelImageForDevice || status == cudaErrorInvalidDeviceFunction)
    return fail(e, "--device cuda: this build has no code for the GPU's compute capability %d.%d",
                attribute(cudaDevAttrComputeCapabilityMajor), attribute(cudaDevAttrComputeCapabilityMinor));
  return status == cudaSuccess ? OK : failed(e, "--device cuda", status);
}

/* float32 lanes of a multiprocessor: CUDA C++ Programming Guide, "Arithmetic Instructions", by compute capability. */
static int lanes_of(int major, int minor) { return major == 7 || (major == 8 && minor == 0) ? 64 : 128; }

int device_info(struct cuda_device_info *info, error *e) {
  cudaDeviceProp properties;
  cudaError_t status = cudaGetDeviceProperties(&properties, 0);
  memset(info, 0, sizeof *info);
  if (status == cudaSuccess) status = cudaMemGetInfo(&info->free, &info->memory);
  if (status != cudaSuccess) return failed(e, "the GPU", status);
  snprintf(info->name, sizeof info->name, "%s", properties.name);
  info->major = properties.major;
  info->minor = properties.minor;
  info->multiprocessors = properties.multiProcessorCount;
  double hertz = 1e3 * attribute(cudaDevAttrClockRate), memory_hertz = 1e3 * attribute(cudaDevAttrMemoryClockRate);
  info->peak_gflops = 2e-9 * hertz * info->multiprocessors * lanes_of(info->major, info->minor);
  info->bandwidth_gbs = 2e-9 * memory_hertz * attribute(cudaDevAttrGlobalMemoryBusWidth) / 8; /* double data rate */
  return OK;
}

bool device_has_tensor_cores(void) { return attribute(cudaDevAttrComputeCapabilityMajor) >= 8; }

/* ---- memory: a failed allocation is an answer, not an error that stays ---- */

void *device_allocate(size_t bytes) {
  void *memory = NULL;
  if (cudaMalloc(&memory, bytes ? bytes : 1) == cudaSuccess) return memory;
  cudaGetLastError();
  return NULL;
}

void device_release(void *memory) { cudaFree(memory); }

void *device_allocate_host(size_t bytes) {
  void *memory = NULL;
  if (cudaMallocHost(&memory, bytes ? bytes : 1) == cudaSuccess) return memory;
  cudaGetLastError();
  return NULL;
}

void device_release_host(void *memory) { cudaFreeHost(memory); }

int device_upload(void *to, const void *from, size_t bytes, error *e) {
  cudaError_t status = cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice);
  return status == cudaSuccess ? OK : failed(e, "the GPU failed", status);
}

/* ---- streams ---- */

cuda_stream *device_stream_start(error *e) {
  cudaStream_t stream = NULL;
  cudaError_t status = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  if (status != cudaSuccess) failed(e, "the GPU failed", status);
  return (cuda_stream *)stream;
}

void device_stream_end(cuda_stream *stream) {
  if (stream) cudaStreamDestroy((cudaStream_t)stream);
}

void device_copy_in(cuda_stream *stream, void *to, const void *from, size_t bytes) {
  cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, (cudaStream_t)stream);
}

void device_copy_out(cuda_stream *stream, void *to, const void *from, size_t bytes) {
  cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, (cudaStream_t)stream);
}

int device_check(cuda_stream *stream, error *e) {
  cudaError_t status = cudaStreamSynchronize((cudaStream_t)stream), last = cudaGetLastError();
  if (status == cudaSuccess) status = last;
  return status == cudaSuccess ? OK : failed(e, "the GPU failed", status);
}

/* ---- events ---- */

cuda_event *device_event_create(error *e) {
  cudaEvent_t event = NULL;
  cudaError_t status = cudaEventCreate(&event);
  if (status != cudaSuccess) failed(e, "the GPU failed", status);
  return (cuda_event *)event;
}

void device_event_free(cuda_event *event) {
  if (event) cudaEventDestroy((cudaEvent_t)event);
}

void device_event_record(cuda_event *event, cuda_stream *stream) {
  cudaEventRecord((cudaEvent_t)event, (cudaStream_t)stream);
}

void device_event_order(cuda_event *event, cuda_stream *stream) {
  cudaStreamWaitEvent((cudaStream_t)stream, (cudaEvent_t)event, 0);
}

int device_event_wait(cuda_event *event, error *e) {
  cudaError_t status = cudaEventSynchronize((cudaEvent_t)event), last = cudaGetLastError();
  if (status == cudaSuccess) status = last;
  return status == cudaSuccess ? OK : failed(e, "the GPU failed", status);
}

double device_event_seconds(cuda_event *from, cuda_event *to) {
  float milliseconds = 0;
  cudaEventElapsedTime(&milliseconds, (cudaEvent_t)from, (cudaEvent_t)to);
  return 1e-3 * (double)milliseconds;
}

/* ---- graphs ---- */

bool device_capture_begin(cuda_stream *stream) {
  return cudaStreamBeginCapture((cudaStream_t)stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess;
}

cuda_graph *device_capture_end(cuda_stream *stream) {
  cudaGraph_t graph = NULL;
  cudaGraphExec_t ready = NULL;
  if (cudaStreamEndCapture((cudaStream_t)stream, &graph) != cudaSuccess) return NULL;
  if (cudaGraphInstantiate(&ready, graph, 0) != cudaSuccess) ready = NULL;
  cudaGraphDestroy(graph);
  return (cuda_graph *)ready;
}

void device_graph_run(cuda_graph *graph, cuda_stream *stream) {
  cudaGraphLaunch((cudaGraphExec_t)graph, (cudaStream_t)stream);
}

void device_graph_free(cuda_graph *graph) {
  if (graph) cudaGraphExecDestroy((cudaGraphExec_t)graph);
}
