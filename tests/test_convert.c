#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/model.h"
#include "tests/harness.h"
#include "weights-tools/config.h"
#include "weights-tools/keys.h"

/* A CIFAR ResNet of three blocks with seeded weights, in the names of its publisher. `change` may leave out or add. */
enum change { AS_IT_IS, WITHOUT_A_NORM, WITH_AN_EXTRA, WITH_A_WRONG_SHAPE };

struct builder {
  struct tensor_description tensors[128];
  char names[128][64];
  size_t count;
};

static void add(struct builder *b, enum dtype dtype, const char *name, int dimensions, const int64_t *shape) {
  struct tensor_description *t = &b->tensors[b->count];
  snprintf(b->names[b->count], sizeof b->names[0], "module.%s", name);
  *t = (struct tensor_description){.name = b->names[b->count++], .dtype = dtype, .dimensions = dimensions};
  for (int i = 0; i < dimensions; i++) t->shape[i] = shape[i];
}

static void add_conv(struct builder *b, const char *prefix, int number, int64_t in, int64_t out) {
  static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
  char name[48];
  snprintf(name, sizeof name, "%sconv%d.weight", prefix, number);
  add(b, DTYPE_F32, name, 4, (const int64_t[]){out, in, 3, 3});
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "%sbn%d.%s", prefix, number, parts[i]);
    add(b, DTYPE_F32, name, 1, &out);
  }
  snprintf(name, sizeof name, "%sbn%d.num_batches_tracked", prefix, number);
  add(b, DTYPE_I64, name, 0, NULL);
}

static bool write_tensors(const char *path, const struct builder *b) {
  error e;
  struct random random = {3};
  struct safetensors_writer *w = safetensors_create(path, b->tensors, b->count, NULL, 0, &e);
  bool good = w != NULL;
  for (size_t i = 0; good && i < b->count; i++) {
    size_t elements = 1;
    for (int d = 0; d < b->tensors[i].dimensions; d++) elements *= (size_t)b->tensors[i].shape[d];
    size_t bytes = elements * dtype_size(b->tensors[i].dtype);
    float *values = calloc(1, bytes);
    if (b->tensors[i].dtype == DTYPE_F32) {
      for (size_t k = 0; k < elements; k++) values[k] = 0.1f + (float)random_unit(&random);
    }
    good = safetensors_write(w, values, bytes, &e) == OK;
    free(values);
  }
  return good && safetensors_finish(w, &e) == OK;
}

static bool write_checkpoint(const char *path, enum change change) {
  struct builder *b = calloc(1, sizeof *b);
  add_conv(b, "", 1, 3, 16);
  for (int64_t stage = 1; stage <= 3; stage++) {
    char prefix[32];
    int64_t width = 8 << stage;
    snprintf(prefix, sizeof prefix, "layer%d.0.", (int)stage);
    add_conv(b, prefix, 1, stage == 1 ? 16 : width / 2, width);
    add_conv(b, prefix, 2, width, width);
  }
  add(b, DTYPE_F32, "linear.weight", 2, (const int64_t[]){10, 64});
  add(b, DTYPE_F32, "linear.bias", 1, (const int64_t[]){10});
  if (change == WITHOUT_A_NORM) {
    for (size_t i = 0; i < b->count; i++) {
      if (strstr(b->names[i], "layer2.0.bn1.running")) b->names[i][7] = 'x';
    }
  }
  if (change == WITH_AN_EXTRA) add(b, DTYPE_F32, "projector.weight", 1, (const int64_t[]){3});
  if (change == WITH_A_WRONG_SHAPE) b->tensors[b->count - 1].shape[0] = 11;
  bool good = write_tensors(path, b);
  free(b);
  return good;
}

static const char *in_folder(const char *name) { return path_join(test_folder(), name); }

/* Logits of one fixed image. */
static bool run_model(const char *path, float logits[10], error *e) {
  struct checkpoint c;
  struct model *model = NULL;
  struct session *session = NULL;
  if (checkpoint_open(&c, path, e) != OK) return false;
  bool good = keys_canonicalize(&c, e) == OK && model_load(&model, &c, NULL, e) == OK;
  checkpoint_close(&c);
  struct threads *pool = threads_start(1, e);
  if (good && pool && session_start(&session, model, pool, 1, e) == OK) {
    float *image = malloc(32 * 32 * 3 * sizeof *image);
    struct random random = {5};
    random_fill(&random, image, 32 * 32 * 3);
    session_run(session, image, 1, NULL, logits, NULL);
    free(image);
  }
  good = session != NULL;
  session_end(session);
  threads_stop(pool);
  model_free(model);
  return good;
}

TEST(convert_gives_the_same_network) {
  error e = {""};
  const char *source = in_folder("source.safetensors"), *out = in_folder("out.safetensors");
  REQUIRE(write_checkpoint(source, AS_IT_IS));
  struct run run = RUN("convert", source, "-o", out);
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "resnet8_cifar from cifar names, 16 tensors");
  CHECK_CONTAINS(run.out, "num_batches_tracked and 6 more: ");
  float before[10] = {0}, after[10] = {0}, largest = 0;
  REQUIRE(run_model(source, before, &e) && run_model(out, after, &e));
  CHECK_ALL_NEAR(after, before, 10, 0); /* the same folding: the same bits */
  struct safetensors s;
  REQUIRE(safetensors_open(&s, out, &e) == OK);
  CHECK(s.count == 16);
  CHECK_STRING(safetensors_metadata(&s, METADATA_ARCH), "resnet8_cifar");
  CHECK_STRING(safetensors_metadata(&s, METADATA_SCHEME), "cifar");
  CHECK_STRING(safetensors_metadata(&s, METADATA_SOURCE), "source.safetensors");
  CHECK(strlen(safetensors_metadata(&s, METADATA_SOURCE_SHA256)) == 64);
  CHECK_CONTAINS(safetensors_metadata(&s, METADATA_RECIPE), "\"input\":[3,32,32]");
  for (size_t i = 0; i < s.count; i++) CHECK(!strstr(s.tensors[i].name, "bn") && s.tensors[i].dtype == DTYPE_F32);
  safetensors_close(&s);
  /* Once more: a converted file converts to the same tensors; bfloat16 comes near. */
  CHECK(RUN("convert", out, "-o", in_folder("again.safetensors")).exit_code == 0);
  REQUIRE(run_model(in_folder("again.safetensors"), after, &e));
  CHECK_ALL_NEAR(after, before, 10, 0);
  CHECK(RUN("convert", source, "--out", in_folder("bf16.safetensors"), "--dtype", "bf16").exit_code == 0);
  REQUIRE(run_model(in_folder("bf16.safetensors"), after, &e));
  for (int i = 0; i < 10; i++) largest = before[i] > largest ? before[i] : largest;
  CHECK_ALL_NEAR(after, before, 10, 0.02 * (double)largest);
  CHECK(before[0] != after[0]);
}

TEST(convert_lists_what_is_missing_and_extra) {
  const char *source = in_folder("source.safetensors"), *out = in_folder("out.safetensors");
  REQUIRE(write_checkpoint(source, WITHOUT_A_NORM));
  struct run run = RUN("convert", source, "-o", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "source.safetensors: ");
  CHECK_CONTAINS(run.err, "layer2.0.bn1.running_mean [32] is missing");
  CHECK_CONTAINS(run.err, "layer2.0.bn1.running_var [32] is missing");
  CHECK(access(out, F_OK) != 0);
  REQUIRE(write_checkpoint(source, WITH_A_WRONG_SHAPE));
  run = RUN("convert", source, "-o", out);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "fc.bias is [11] instead of [10]");
  REQUIRE(write_checkpoint(source, WITH_AN_EXTRA));
  run = RUN("convert", source, "-o", out);
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "not used: module.projector.weight");
}

TEST(convert_usage_and_places) {
  const char *source = in_folder("source.safetensors");
  REQUIRE(write_checkpoint(source, AS_IT_IS));
  CHECK(RUN("convert", source).exit_code == 2);
  CHECK(RUN("convert", "-o", "x").exit_code == 2);
  CHECK(RUN("convert", source, "-o", in_folder("x"), "--dtype", "int8").exit_code == 2);
  struct run run = RUN("convert", source, "-o", in_folder("absent/x"));
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "absent/x: No such file");
  run = RUN("convert", source, "-o", in_folder("x"), "--arch", "resnet51");
  CHECK(run.exit_code == 1 || run.exit_code == 2);
  CHECK_CONTAINS(run.err, "resnet51");
  CHECK(access(in_folder("x"), F_OK) != 0);
}

TEST(inspect_tells_what_a_checkpoint_is) {
  const char *source = in_folder("source.safetensors");
  REQUIRE(write_checkpoint(source, WITH_AN_EXTRA));
  struct run run = RUN("inspect", source, "--tensors");
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "architecture   resnet8_cifar (resnet family)");
  CHECK_CONTAINS(run.out, "tensors        45: 38 F32 7 I64");
  CHECK_CONTAINS(run.out, "F32  [10, 64] fc.weight (module.linear.weight)\n");
  CHECK_CONTAINS(run.out, "F32  [3] module.projector.weight not used\n");
  run = RUN("inspect", "--json", source);
  CHECK(run.exit_code == 0);
  struct json_document document;
  error e = {""};
  REQUIRE(json_parse(&document, run.out, strlen(run.out), true, &e) == OK);
  const struct json *root = document.root;
  int64_t number = 0;
  CHECK_STRING(json_get_string(root, "arch"), "resnet8_cifar");
  CHECK_STRING(json_get_string(root, "scheme"), "cifar");
  CHECK(json_get_integer(root, "features", &number) && number == 64);
  CHECK(json_get_integer(root, "classes", &number) && number == 10);
  CHECK(json_get_integer(json_get(root, "dtypes"), "F32", &number) && number == 38);
  double input[3], gflops = 0;
  CHECK(json_read_numbers(json_get(root, "input"), input, 3) && input[1] == 32);
  CHECK(json_get_number(root, "gflops", &gflops) && gflops > 0.01 && gflops < 0.1);
  CHECK(json_get(root, "parameters") && json_get(root, "interpolation") && json_get(root, "crop") &&
        json_get(root, "mean") && json_get(root, "std"));
  json_free(&document);
}

TEST(inspect_of_what_nobody_knows) {
  struct builder *b = calloc(1, sizeof *b);
  add(b, DTYPE_F32, "blocks.0.weight", 1, (const int64_t[]){2});
  REQUIRE(write_tensors(in_folder("vit.safetensors"), b));
  free(b);
  struct run run = RUN("inspect", in_folder("vit.safetensors"), "--tensors");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "belong to no known scheme");
  CHECK_CONTAINS(run.out, "F32  [2] module.blocks.0.weight not used");
  run = RUN("inspect", in_folder("absent"));
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "absent: No such file");
}

/* The real CIFAR ResNet-20, converted, as its publisher's numbers say. */
TEST(inspect_a_published_cifar_resnet) {
  const char *path = shared_data("weights/resnet20-cifar10.safetensors");
  if (!path) SKIP("the shared data folder is not there");
  struct run run = RUN("inspect", path);
  CHECK(run.exit_code == 0);
  CHECK_CONTAINS(run.out, "resnet20_cifar");
  CHECK_CONTAINS(run.out, "parameters     269722\n");
  CHECK_CONTAINS(run.out, "features       64\n");
}
