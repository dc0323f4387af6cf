/* Whole models on the simulated GPU against the CPU's features: every family, every kind of operation. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/reference/reference.h"
#include "kernels/winograd.h"
#include "models/cuda/cuda.h"
#include "models/model.h"
#include "tests/cuda/machine.h"
#include "tests/harness.h"
#include "weights-tools/checkpoint.h"
#include "weights-tools/keys.h"

/* demo: a file of evaluate/demo, else seeded weights. */
static const struct model_case {
  const char *name;
  int size;
  bool demo;
  const char *features;
} cases[] = {
    {"resnet8_cifar-demo", 64, true, "pooled"},
    {"convnext-demo", 64, true, "pooled"},
    {"vit-demo", 64, true, "pooled"},
    {"swin-demo", 64, true, "pooled"},
    {"clip-demo", 64, true, "projected"},
    {"resnet18", 32, false, "pooled"},                       /* Winograd's weights restored */
    {"resnext50_32x4d", 32, false, "block:8"},               /* merged groups */
    {"resnet26d", 33, false, "block:5"},                     /* average pools, rounded up */
    {"resnet50_clip", 32, false, "pooled"},                  /* attention pooling */
    {"convnextv2_atto", 32, false, "pooled"},                /* global response norm */
    {"vit_small_plus_patch16_dinov3", 32, false, "block:2"}, /* rotary positions, gates */
    {"swinv2_tiny_window8_256", 64, false, "block:4"},       /* cosines, relative bias, shifted windows */
};

static struct model *demo_model(const char *name, error *e) {
  char path[128];
  snprintf(path, sizeof path, "evaluate/demo/%s.safetensors", name);
  struct checkpoint checkpoint;
  struct model *model = NULL;
  if (checkpoint_open(&checkpoint, path, e) != OK) return NULL;
  if (keys_canonicalize(&checkpoint, e) == OK) model_load(&model, &checkpoint, NULL, e);
  checkpoint_close(&checkpoint);
  return model;
}

static struct model *model_of(const struct model_case *c, error *e) {
  struct recipe recipe = {.height = c->size, .width = c->size, .crop_fraction = 1, .std = {1, 1, 1}};
  struct model *model = NULL;
  if (c->demo)
    model = demo_model(c->name, e);
  else
    model_seeded(&model, c->name, 1, &recipe, e);
  if (model && model_choose_features(model, c->features, e) != OK) {
    model_free(model);
    return NULL;
  }
  return model;
}

/* Features of the pictures on the machine in one order; false with a failed check when something goes wrong. */
static bool run_simulated(const struct model *model, enum cuda_precision precision, enum machine_order order,
                          int max_batch, const float *input, int batch, float *features) {
  error e = {""};
  struct cuda_model *cuda = NULL;
  struct cuda_session *session = NULL;
  machine_reset(order, 0x7fc0deadu);
  int status = cuda_model_start(&cuda, model_plan(model), precision, &e);
  if (status == OK) status = cuda_session_start(&session, cuda, max_batch, &e);
  float *outputs[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = features};
  if (status == OK) status = cuda_session_run(session, input, batch, outputs, NULL, &e);
  cuda_session_end(session);
  cuda_model_end(cuda);
  return CHECK_MSG(status == OK, "%s", e.message);
}

static void run_cpu(const struct model *model, const float *input, int batch, float *features) {
  error e = {""};
  struct threads *pool = threads_start(1, &e);
  struct session *session = NULL;
  if (CHECK(session_start(&session, model, pool, batch, &e) == OK))
    session_run(session, input, batch, features, NULL, NULL);
  session_end(session);
  threads_stop(pool);
}

static void check_case(const struct model_case *c) {
  error e = {""};
  struct model *model = model_of(c, &e);
  if (!CHECK_MSG(model != NULL, "%s: %s", c->name, e.message)) return;
  size_t d = (size_t)model_info(model).features, floats = (size_t)(c->size * c->size * 3);
  float *input = malloc(2 * floats * sizeof *input), *expected = calloc(2 * d, sizeof *expected);
  float *forward = calloc(2 * d, sizeof *forward), *reverse = calloc(d, sizeof *reverse);
  struct random random = {12};
  random_fill(&random, input, 2 * floats);
  run_cpu(model, input, 2, expected);
  double largest = 0;
  for (size_t i = 0; i < 2 * d; i++) largest = fmax(largest, fabs((double)expected[i]));
  if (run_simulated(model, CUDA_FLOAT32, ORDER_FORWARD, 2, input, 2, forward)) {
    CHECK_MSG(CHECK_ALL_NEAR(forward, expected, 2 * d, 2e-5 * largest), "%s", c->name);
    /* The second picture alone, in another order of threads: the same bits. */
    if (run_simulated(model, CUDA_FLOAT32, ORDER_REVERSE, 1, input + floats, 1, reverse))
      CHECK_MSG(!memcmp(reverse, forward + d, d * sizeof *reverse), "%s", c->name);
  }
  free(input);
  free(expected);
  free(forward);
  free(reverse);
  model_free(model);
}

TEST(cuda_models_equal_the_cpu) {
#ifdef __SANITIZE_ADDRESS__
  bool slow = true;
#else
  bool slow = test_emulated();
#endif
  /* Ten times slower: the small ones. */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (cases[i].demo || !slow) check_case(&cases[i]);
  }
}

/* The price of tensor cores that --help states: the largest error over the largest feature. */
TEST(cuda_tensor_cores_cost_what_help_says) {
  static const struct {
    struct model_case model;
    enum cuda_precision precision;
    double least, most;
  } costs[] = {{{"convnext-demo", 64, true, "pooled"}, CUDA_TF32, 1e-5, 4e-4},
               {{"convnext-demo", 64, true, "pooled"}, CUDA_BFLOAT16, 4e-4, 4e-3},
               {{"vit-demo", 64, true, "pooled"}, CUDA_TF32, 1e-5, 4e-4},
               {{"vit-demo", 64, true, "pooled"}, CUDA_BFLOAT16, 4e-4, 4e-3}};
  for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
    error e = {""};
    struct model *model = model_of(&costs[i].model, &e);
    REQUIRE(model != NULL);
    size_t d = (size_t)model_info(model).features, floats = (size_t)(64 * 64 * 3);
    float *input = malloc(floats * sizeof *input), *expected = calloc(d, sizeof *expected);
    float *rounded = calloc(d, sizeof *rounded);
    struct random random = {15};
    random_fill(&random, input, floats);
    run_cpu(model, input, 1, expected);
    run_simulated(model, costs[i].precision, ORDER_FORWARD, 1, input, 1, rounded);
    double largest = 0, worst = 0;
    for (size_t k = 0; k < d; k++) {
      largest = fmax(largest, fabs((double)expected[k]));
      worst = fmax(worst, fabs((double)expected[k] - (double)rounded[k]));
    }
    CHECK_MSG(worst > costs[i].least * largest && worst < costs[i].most * largest, "%s: off by %g", costs[i].model.name,
              worst / largest);
    free(input);
    free(expected);
    free(rounded);
    model_free(model);
  }
}

/* Batches that go in pieces, by graphs for whole ones, and with timed operations: the same bits. */
TEST(cuda_batches_in_pieces_are_the_same_bits) {
  enum { BATCH = 19, SIDE = 9 };
  error e = {""};
  struct model *model = model_of(&(struct model_case){"resnet20_cifar", SIDE, false, "pooled"}, &e);
  REQUIRE(model != NULL);
  size_t d = (size_t)model_info(model).features, floats = (size_t)(SIDE * SIDE * 3);
  float *input = malloc(BATCH * floats * sizeof *input), *one = calloc(d, sizeof *one);
  float *pieces = calloc(BATCH * d, sizeof *pieces), *timed = calloc(BATCH * d, sizeof *timed);
  double *seconds = calloc((size_t)plan_op_count(model_plan(model)), sizeof *seconds);
  struct random random = {13};
  random_fill(&random, input, BATCH * floats);
  machine_reset(ORDER_FORWARD, 0x7fc0deadu);
  struct cuda_model *cuda = NULL;
  struct cuda_session *session = NULL;
  CHECK(cuda_model_start(&cuda, model_plan(model), CUDA_FLOAT32, &e) == OK);
  CHECK(cuda_session_start(&session, cuda, 16, &e) == OK);
  float *outputs[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = pieces}, *again[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = timed};
  CHECK_MSG(cuda_session_run(session, input, BATCH, outputs, NULL, &e) == OK, "%s", e.message);
  CHECK_MSG(cuda_session_run(session, input, BATCH, again, seconds, &e) == OK, "%s", e.message);
  CHECK(!memcmp(pieces, timed, BATCH * d * sizeof *pieces));
  CHECK(run_simulated(model, CUDA_FLOAT32, ORDER_FORWARD, 1, input + 17 * floats, 1, one));
  CHECK(!memcmp(one, pieces + 17 * d, d * sizeof *one));
  CHECK(seconds[0] > 0);
  cuda_session_end(session);
  cuda_model_end(cuda);
  free(input);
  free(one);
  free(pieces);
  free(timed);
  free(seconds);
  model_free(model);
}

#ifndef TESTS_ON_GPU

TEST(simulated_gpu_without_memory_names_a_batch) {
  error e = {""};
  struct model *model = demo_model("convnext-demo", &e);
  REQUIRE(model != NULL);
  machine_reset(ORDER_FORWARD, 0);
  struct cuda_model *cuda = NULL;
  struct cuda_session *session = NULL;
  REQUIRE(cuda_model_start(&cuda, model_plan(model), CUDA_FLOAT32, &e) == OK);
  machine_limit_memory((size_t)1 << 20);
  REQUIRE(cuda_session_start(&session, cuda, 64, &e) == FAILED);
  CHECK_CONTAINS(e.message, "a batch of 64 needs ");
  CHECK_CONTAINS(e.message, " MB of the GPU's memory, and 1 MB are free: try --batch ");
  int fits = atoi(strstr(e.message, "--batch ") + 8);
  CHECK(fits > 0 && fits < 64 && cuda_session_start(&session, cuda, fits, &e) == OK);
  cuda_session_end(session);
  machine_limit_memory(1000);
  CHECK(cuda_session_start(&session, cuda, 1, &e) == FAILED);
  CHECK_CONTAINS(e.message, "the GPU's memory is too small: one image needs ");
  cuda_model_end(cuda);
  CHECK(cuda_model_start(&cuda, model_plan(model), CUDA_FLOAT32, &e) == FAILED);
  CHECK_CONTAINS(e.message, "the weights need ");
  machine_limit_memory((size_t)4 << 30);
  model_free(model);
}

/* A GPU that is lost in the middle: the run fails, and those after it. */
TEST(simulated_gpu_that_is_lost_fails_the_run) {
  error e = {""};
  struct model *model = model_of(&(struct model_case){"resnet20_cifar", 9, false, "pooled"}, &e);
  REQUIRE(model != NULL);
  float input[9 * 9 * 3] = {0}, features[64];
  machine_reset(ORDER_FORWARD, 0);
  struct cuda_model *cuda = NULL;
  struct cuda_session *session = NULL;
  REQUIRE(cuda_model_start(&cuda, model_plan(model), CUDA_FLOAT32, &e) == OK);
  REQUIRE(cuda_session_start(&session, cuda, 1, &e) == OK);
  float *outputs[OUTPUT_COUNT] = {[OUTPUT_FEATURES] = features};
  CHECK(cuda_session_run(session, input, 1, outputs, NULL, &e) == OK);
  machine_break("the GPU has fallen off the bus");
  for (int i = 0; i < 2; i++) {
    e.message[0] = 0;
    CHECK(cuda_session_run(session, input, 1, outputs, NULL, &e) == FAILED);
    CHECK_STRING(e.message, "the GPU has fallen off the bus");
  }
  cuda_session_end(session);
  cuda_model_end(cuda);
  machine_reset(ORDER_FORWARD, 0);
  model_free(model);
}

#endif

/* Packed weights come back as they were published. */
TEST(packed_weights_unpack) {
  struct random random = {14};
  error e;
  enum { OUT = 40, IN = 36 };
  float *weight = malloc(OUT * IN * 9 * sizeof *weight), *back = malloc(OUT * IN * 9 * sizeof *back);
  random_fill(&random, weight, OUT * IN * 9);
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    const struct kernels *kernels = kernels_find(*isa);
    struct conv_shape whole = {IN, OUT, 3, 1, 1, 1, 1}, grouped = {IN, OUT, 3, 1, 1, 1, 4};
    struct packed_conv *conv = conv_pack(kernels, &whole, weight, NULL, &e);
    conv_unpack(conv, back);
    CHECK(!memcmp(back, weight, OUT * IN * 9 * sizeof *back));
    conv_release(conv);
    conv = conv_pack(kernels, &grouped, weight, NULL, &e);
    conv_unpack(conv, back);
    CHECK(!memcmp(back, weight, OUT * IN / 4 * 9 * sizeof *back));
    conv_release(conv);
    for (int form = 0; form < WINOGRAD_FORMS && kernels->winograd_input[form]; form++) {
      struct packed_winograd *winograd = winograd_pack(kernels, &whole, (enum winograd_form)form, weight, NULL, &e);
      winograd_unpack(winograd, back);
      CHECK_ALL_NEAR(back, weight, OUT * IN * 9, 4e-7);
      winograd_release(winograd);
    }
  }
  free(weight);
  free(back);
}
