#include "tests/cuda/machine.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

enum {
  MOST_THREADS = 1024,
  LANES = 32,
  STACK_BYTES = 128 << 10,
  SHARED_BYTES = 48 << 10, /* what every GPU gives a block without being asked */
  MOST_COPIES = 64,        /* of a thread, under way */
  MOST_BUFFERS = 256,
};

struct copy {
  float *to;
  const float *from; /* NULL: zeros */
  int floats, group;
};

enum fibre_state { READY, AT_BARRIER, AT_EXCHANGE, ENDED };

struct fibre {
  ucontext_t context;
  jmp_buf left; /* where it went on waiting */
  bool begun;   /* it has a stack with something on it */
  enum fibre_state state;
  int line; /* of the barrier or exchange */
  int round;
  uint32_t words[2][MACHINE_WORDS]; /* of this exchange and the one before, which slower lanes may still read */
  struct copy copies[MOST_COPIES];
  int copy_count, group; /* copies under way; the group that is being filled */
};

static struct {
  char problem[256];
  enum machine_order order;
  uint32_t pattern;
  long launches; /* counted where one is to be the last */
  char *stacks, *shared_end;
  struct fibre fibres[MOST_THREADS];
  ucontext_t scheduler;
  jmp_buf back; /* to the scheduler */
  sigjmp_buf crashed;
  const struct machine_launch *launch;
  const void *arguments;
  int current; /* the thread that runs */
  int made;    /* fibres that wait for a block; after a problem none does */
  int sequence[MOST_THREADS];
  uint64_t random; /* the state of a linear congruential generator (Knuth's MMIX) */
  bool running;
} machine;

struct machine_index threadIdx, blockIdx, gridDim;

/* In [0, n). */
static int random_below(int n) {
  machine.random = machine.random * 6364136223846793005u + 1442695040888963407u;
  return (int)(machine.random >> 33) % n;
}

/* ---- buffers ---- */

static struct {
  float *data;
  char *mapping;
  size_t size;
} buffers[MOST_BUFFERS];

size_t machine_page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Pages of `bytes` bytes, with a guard page before and behind; NULL when there is no memory. */
static char *map_guarded(size_t bytes, size_t *size) {
  size_t page = machine_page(), inner = (bytes + page - 1) / page * page;
  *size = inner + 2 * page;
  char *mapping = mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return NULL;
  if (mprotect(mapping + page, inner, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping, *size);
    return NULL;
  }
  return mapping;
}

float *machine_allocate(size_t floats) {
  size_t bytes = (floats * sizeof(float) + 15) / 16 * 16, size;
  for (int i = 0; i < MOST_BUFFERS; i++) {
    if (buffers[i].mapping) continue;
    char *mapping = map_guarded(bytes, &size);
    if (!mapping) return NULL;
    float *data = (float *)(void *)(mapping + size - machine_page() - bytes);
    for (size_t f = 0; f < bytes / sizeof(float); f++) data[f] = NAN;
    buffers[i].data = data;
    buffers[i].mapping = mapping;
    buffers[i].size = size;
    return data;
  }
  return NULL;
}

void machine_release(float *memory) {
  for (int i = 0; memory && i < MOST_BUFFERS; i++) {
    if (buffers[i].data != memory) continue;
    munmap(buffers[i].mapping, buffers[i].size);
    buffers[i].mapping = NULL;
    buffers[i].data = NULL;
    return;
  }
}

/* ---- problems ---- */

void machine_reset(enum machine_order order, uint32_t pattern) {
  machine.problem[0] = 0;
  machine.order = order;
  machine.pattern = pattern;
  machine.random = 42;
}

const char *machine_problem(void) { return machine.problem; }
void machine_break(const char *reason) { snprintf(machine.problem, sizeof machine.problem, "%s", reason); }

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...) {
  if (machine.problem[0]) return;
  int used =
      snprintf(machine.problem, sizeof machine.problem, "%s, block (%d, %d, %d), thread %d: ", machine.launch->kernel,
               blockIdx.x, blockIdx.y, blockIdx.z, machine.current);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(machine.problem + used, sizeof machine.problem - (size_t)used, format, arguments);
  va_end(arguments);
}

/* Fibres take turns by setjmp and longjmp, which know of no signals and cost no system call: swapcontext() only begins
 * them. The address sanitizer must be shown every turn, so there it is swapcontext() always. */
#ifdef __SANITIZE_ADDRESS__
static void turn_to(struct fibre *fibre) { swapcontext(&machine.scheduler, &fibre->context); }
static void turn_back(struct fibre *fibre) { swapcontext(&fibre->context, &machine.scheduler); }
#else
static void turn_to(struct fibre *fibre) {
  if (_setjmp(machine.back) != 0) return;
  if (fibre->begun) _longjmp(fibre->left, 1);
  fibre->begun = true;
  swapcontext(&machine.scheduler, &fibre->context);
}
static void turn_back(struct fibre *fibre) {
  if (_setjmp(fibre->left) == 0) _longjmp(machine.back, 1);
}
#endif

/* Back to the scheduler, never to return: it sees the problem. */
static void give_up(void) {
  turn_back(&machine.fibres[machine.current]);
  abort();
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
  (void)context;
  if (!machine.running) { /* not ours */
    signal(signal_number, SIG_DFL);
    raise(signal_number);
    return;
  }
  report("touches %p, beyond a buffer or beyond shared memory", info->si_addr);
  siglongjmp(machine.crashed, 1);
}

/* ---- fibres ---- */

/* A fibre is a thread of one block after the other. */
static void fibre_main(void) {
  struct fibre *fibre = &machine.fibres[machine.current];
  for (;;) {
    machine.launch->entry(machine.arguments);
    if (fibre->copy_count > 0) report("ends with a cp.async that nobody waited for");
    fibre->state = ENDED;
    turn_back(fibre);
  }
}

static void wait_as(enum fibre_state state, int line) {
  struct fibre *fibre = &machine.fibres[machine.current];
  fibre->state = state;
  fibre->line = line;
  turn_back(fibre);
}

void machine_barrier(int line) { wait_as(AT_BARRIER, line); }

const uint32_t (*machine_exchange(int line, int words, const uint32_t *mine))[MACHINE_WORDS] {
  static uint32_t table[LANES][MACHINE_WORDS];
  struct fibre *fibre = &machine.fibres[machine.current];
  int round = fibre->round++ & 1, first = machine.current / LANES * LANES;
  for (int i = 0; i < words; i++) fibre->words[round][i] = mine[i];
  wait_as(AT_EXCHANGE, line);
  for (int lane = 0; lane < LANES; lane++) {
    memcpy(table[lane], machine.fibres[first + lane].words[round], sizeof table[lane]);
  }
  return (const uint32_t(*)[MACHINE_WORDS])table;
}

static float shuffle(int line, unsigned mask, float value, int lane, bool by_xor) {
  if (mask != 0xffffffffu) {
    report("a shuffle at line %d is not of the whole warp", line);
    give_up();
  }
  uint32_t word;
  memcpy(&word, &value, sizeof word);
  const uint32_t(*table)[MACHINE_WORDS] = machine_exchange(line, 1, &word);
  int from = by_xor ? (machine.current % LANES) ^ lane : lane;
  float result;
  memcpy(&result, &table[from % LANES][0], sizeof result);
  return result;
}

float machine_shuffle_xor(int line, unsigned mask, float value, int lane) {
  return shuffle(line, mask, value, lane, true);
}
float machine_shuffle(int line, unsigned mask, float value, int lane) {
  return shuffle(line, mask, value, lane, false);
}

/* ---- memory as kernels see it ---- */

void *machine_shared(size_t bytes) {
  if (bytes > SHARED_BYTES) {
    report("wants %zu bytes of shared memory", bytes);
    give_up();
  }
  return machine.shared_end - (bytes + 15) / 16 * 16;
}

void machine_misaligned(const void *at) {
  report("a float4 at %p is not 16-byte aligned", at);
  give_up();
}

static void finish_copy(const struct copy *copy) {
  for (int f = 0; f < copy->floats; f++) copy->to[f] = copy->from ? copy->from[f] : 0;
}

/* It may arrive at once or as late as at the wait: the orders try both. */
static void start_copy(float *to, const float *from, int floats) {
  struct fibre *fibre = &machine.fibres[machine.current];
  struct copy copy = {to, from, floats, fibre->group};
  bool early = machine.order == ORDER_REVERSE || (machine.order == ORDER_SHUFFLED && random_below(2));
  if (early) {
    finish_copy(&copy);
    copy.floats = 0; /* it is there, but to be waited for all the same */
  }
  if (fibre->copy_count == MOST_COPIES) {
    report("has more than %d cp.async under way", MOST_COPIES);
    give_up();
  }
  fibre->copies[fibre->copy_count++] = copy;
}

void copy_async4(float *to, const float *from, bool inside) { start_copy(to, inside ? from : NULL, 1); }

void copy_async16(float *to, const float *from, bool inside) {
  if ((uintptr_t)to % 16) machine_misaligned(to);
  if ((uintptr_t)from % 16) machine_misaligned(from);
  start_copy(to, inside ? from : NULL, 4);
}

void copy_commit(void) { machine.fibres[machine.current].group++; }

void copy_wait(int groups) {
  struct fibre *fibre = &machine.fibres[machine.current];
  int kept = 0;
  for (int i = 0; i < fibre->copy_count; i++) {
    if (fibre->copies[i].group >= fibre->group - groups)
      fibre->copies[kept++] = fibre->copies[i];
    else
      finish_copy(&fibre->copies[i]);
  }
  fibre->copy_count = kept;
}

/* ---- the scheduler ---- */

/* Numbers 0..n-1 in the machine's order; warps of threads stay together in all but the shuffled one. */
static void order(int *sequence, int n) {
  for (int i = 0; i < n; i++) sequence[i] = machine.order == ORDER_REVERSE ? n - 1 - i : i;
  for (int i = n - 1; machine.order == ORDER_SHUFFLED && i > 0; i--) {
    int j = random_below(i + 1), swap = sequence[i];
    sequence[i] = sequence[j];
    sequence[j] = swap;
  }
}

/* Let every warp whose lanes have all come to one exchange go on; whether there was one. */
static bool release_warps(int threads) {
  bool released = false;
  for (int first = 0; first < threads; first += LANES) {
    int waiting = 0;
    for (int lane = first; lane < first + LANES; lane++) {
      waiting += machine.fibres[lane].state == AT_EXCHANGE && machine.fibres[lane].line == machine.fibres[first].line;
    }
    if (waiting < LANES) continue;
    for (int lane = first; lane < first + LANES; lane++) machine.fibres[lane].state = READY;
    released = true;
  }
  return released;
}

/* Nothing can run: the block has ended (false), its barrier is reached (true), or there is a problem (false). */
static bool release_barrier(int threads) {
  int ended = 0, one = -1;
  for (int t = 0; t < threads; t++) {
    if (machine.fibres[t].state == ENDED)
      ended++;
    else
      one = t;
  }
  if (ended == threads) return false;
  const struct fibre *waiting = &machine.fibres[one];
  machine.current = one;
  for (int t = 0; t < threads; t++) {
    const struct fibre *other = &machine.fibres[t];
    const char *what = waiting->state == AT_EXCHANGE || other->state == AT_EXCHANGE ? "an exchange" : "a barrier";
    if (other->state == ENDED && waiting->state == AT_BARRIER)
      report("waits at the barrier of line %d, which thread %d does not reach", waiting->line, t);
    else if (other->state != AT_BARRIER || other->line != waiting->line)
      report("waits at %s of line %d, but thread %d at line %d", what, waiting->line, t, other->line);
    if (machine.problem[0]) return false;
  }
  for (int t = 0; t < threads; t++) machine.fibres[t].state = READY;
  return true;
}

static void make_fibre(struct fibre *fibre, void *stack) {
  getcontext(&fibre->context);
  fibre->context.uc_stack.ss_sp = stack;
  fibre->context.uc_stack.ss_size = STACK_BYTES;
  fibre->context.uc_link = NULL;
  makecontext(&fibre->context, fibre_main, 0);
  fibre->begun = false;
}

static void start_fibres(int threads) {
  for (int t = 0; t < threads; t++) {
    struct fibre *fibre = &machine.fibres[t];
    if (t >= machine.made) {
      make_fibre(fibre, machine.stacks + (size_t)t * STACK_BYTES);
      machine.made = t + 1;
    }
    fibre->state = READY;
    fibre->round = fibre->copy_count = fibre->group = 0;
  }
}

/* Run the threads of a piece of the sequence, with every exchange that their warps come to, until none can go on. */
static void run_threads(const int *sequence, int n, int threads) {
  do {
    for (int i = 0; i < n; i++) {
      machine.current = sequence[i];
      if (machine.fibres[machine.current].state != READY) continue;
      threadIdx.x = machine.current;
      turn_to(&machine.fibres[machine.current]);
      if (machine.problem[0]) return;
    }
  } while (release_warps(threads));
}

/* From barrier to barrier: warp by warp, so that one runs as far ahead of the others as it may; or, shuffled, all
 * threads together from exchange to exchange. */
static void run_block(int threads) {
  uint32_t *shared = (uint32_t *)(void *)(machine.shared_end - SHARED_BYTES);
  for (size_t i = 0; i < SHARED_BYTES / sizeof *shared; i++) shared[i] = machine.pattern;
  start_fibres(threads);
  int piece = machine.order == ORDER_SHUFFLED ? threads : LANES;
  do {
    order(machine.sequence, threads);
    for (int first = 0; first < threads && !machine.problem[0]; first += piece) {
      run_threads(machine.sequence + first, piece, threads);
    }
  } while (!machine.problem[0] && release_barrier(threads));
}

static bool prepare(void) {
  if (machine.stacks) return true;
  size_t size;
  char *shared = map_guarded(SHARED_BYTES, &size);
  char *stacks = mmap(NULL, (size_t)MOST_THREADS * STACK_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (!shared || stacks == MAP_FAILED) return false;
  machine.stacks = stacks;
  machine.shared_end = shared + size - machine_page();
  return true;
}

void machine_launch(void *stream, const struct machine_launch *launch, const void *arguments, size_t size) {
  static char signal_stack[64 << 10];
  if (machine.problem[0] || machine_record(stream, launch, arguments, size)) return;
  const char *last = getenv("MACHINE_LAST_LAUNCH");
  if (last && machine.launches++ == atol(last)) {
    machine_break("the simulated GPU is lost");
    return;
  }
  machine.launch = launch;
  machine.arguments = arguments;
  gridDim = (struct machine_index){launch->grid[0], launch->grid[1], launch->grid[2]};
  int blocks = gridDim.x * gridDim.y * gridDim.z;
  if (blocks < 1 || gridDim.y > 65535 || gridDim.z > 65535 || launch->threads < LANES ||
      launch->threads > MOST_THREADS || launch->threads % LANES) {
    report("a grid of %d x %d x %d blocks of %d threads", gridDim.x, gridDim.y, gridDim.z, launch->threads);
    return;
  }
  int *sequence = malloc((size_t)blocks * sizeof *sequence);
  if (!prepare() || !sequence) {
    report("no memory to simulate it");
    free(sequence);
    return;
  }
  order(sequence, blocks);
  stack_t alternate = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack}, stack_before;
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK}, segv_before, bus_before;
  sigaltstack(&alternate, &stack_before);
  sigaction(SIGSEGV, &action, &segv_before);
  sigaction(SIGBUS, &action, &bus_before);
  machine.running = true;
  if (sigsetjmp(machine.crashed, 1) == 0) {
    for (int i = 0; i < blocks && !machine.problem[0]; i++) {
      int block = sequence[i];
      blockIdx =
          (struct machine_index){block % gridDim.x, block / gridDim.x % gridDim.y, block / gridDim.x / gridDim.y};
      run_block(launch->threads);
    }
  }
  machine.running = false;
  if (machine.problem[0]) machine.made = 0;
  sigaction(SIGSEGV, &segv_before, NULL);
  sigaction(SIGBUS, &bus_before, NULL);
  sigaltstack(&stack_before, NULL);
  free(sequence);
}
