/* Models against features that torchvision and timm computed in double (tests/reference/make_model_fixtures.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "models/architecture.h"
#include "models/memory_planner.h"
#include "models/model.h"
#include "tests/harness.h"
#include "weights-tools/checkpoint.h"
#include "weights-tools/keys.h"

/* Instruction sets that are plain C are slow: they compute no LARGE network, and under an emulator SMALL ones only. */
enum { SMALL, MEDIUM, LARGE };

struct fixture_case {
  const char *arch; /* NULL: the end */
  int size, cost;
};

static const struct fixture_case resnets[] = {
    {"resnet18", 224, LARGE},        {"resnet34", 64, MEDIUM},
    {"resnet50", 96, MEDIUM},        {"resnet101", 64, LARGE},
    {"resnet152", 64, LARGE},        {"wide_resnet50_2", 64, LARGE},
    {"resnext50_32x4d", 65, MEDIUM}, {"resnext101_32x8d", 64, LARGE},
    {"resnet20_cifar", 32, SMALL},   {"resnet56_cifar", 31, SMALL},
    {"resnet18d", 96, LARGE},        {"resnet26d", 65, MEDIUM},
    {"resnet50_clip", 64, LARGE},    {NULL, 0, 0},
};

static const struct fixture_case convnexts[] = {
    {"convnext_atto", 64, SMALL},
    {"convnext_tiny", 96, LARGE},
    {"convnextv2_atto", 64, SMALL},
    {NULL, 0, 0},
};

static const struct fixture_case transformers[] = {
    {"vit_tiny_patch16_224", 224, LARGE},
    {"vit_tiny_patch16_224", 96, SMALL},
    {"deit_tiny_distilled_patch16_224", 96, SMALL},
    {"deit3_small_patch16_224", 64, LARGE},
    {"vit_small_patch14_dinov2", 56, MEDIUM},
    {"vit_small_patch14_reg4_dinov2", 56, LARGE},
    {"vit_small_patch16_dinov3", 64, MEDIUM},
    {"vit_small_plus_patch16_dinov3", 64, LARGE},
    {"vit_base_patch32_clip_quickgelu_224", 224, LARGE},
    {"vit_base_patch16_siglip_224", 64, LARGE},
    {NULL, 0, 0},
};

static const struct fixture_case swins[] = {
    {"swin_tiny_patch4_window7_224", 224, LARGE},
    {"swinv2_tiny_window8_256", 256, LARGE},
    {NULL, 0, 0},
};

static float *seeded_picture(int size) {
  int64_t shape = (int64_t)size * size * 3;
  float *picture = malloc((size_t)shape * sizeof *picture);
  seeded_values("input", 1, 1, &shape, picture);
  for (int64_t i = 0; i < shape; i++) picture[i] *= 10;
  return picture;
}

static struct model *seeded_model(const char *arch, int size) {
  struct recipe recipe = {.height = size, .width = size, .crop_fraction = 1, .std = {1, 1, 1}};
  struct model *model = NULL;
  error e = {""};
  CHECK_MSG(model_seeded(&model, arch, 1, &recipe, &e) == OK, "%s", e.message);
  return model;
}

static double largest(const float *values, size_t n) {
  double most = 0;
  for (size_t i = 0; i < n; i++) most = fmax(most, fabs((double)values[i]));
  return most;
}

/* The worst error as a share of the largest feature: a hundred times stricter than users of float32 need. */
static const double tolerance = 1e-5;

/* One session's features and logits of a picture; false when there is no memory. */
static bool run_model(const struct model *model, struct threads *pool, const float *picture, float *features,
                      float *logits) {
  error e = {""};
  struct session *session;
  if (session_start(&session, model, pool, 1, &e) != OK) return false;
  session_run(session, picture, 1, features, logits, NULL);
  session_end(session);
  return true;
}

/* Features and logits, or CLIP's projection, of the picture against a fixture that holds the ones behind the others. */
static void check_model(struct model *model, int size, const char *name, const char *isa) {
  char path[128];
  snprintf(path, sizeof path, "models/%s.f32", name);
  size_t bytes = 0;
  float *expected = (float *)(void *)read_file(fixture(path), &bytes);
  REQUIRE(expected != NULL);
  struct model_info info = model_info(model);
  size_t d = (size_t)info.features, k = bytes / sizeof *expected - d;
  float *picture = seeded_picture(size), *out = calloc(d + k, sizeof *out);
  error e = {""};
  struct threads *pool = threads_start(2, &e);
  CHECK(run_model(model, pool, picture, out, info.classes ? out + d : NULL));
  /* What stands behind CLIP's features is their projection. */
  if (k > 0 && info.classes == 0) {
    CHECK(model_choose_features(model, "projected", &e) == OK && model_info(model).features == (int)k);
    CHECK(run_model(model, pool, picture, out + d, NULL));
  }
  bool near = CHECK_ALL_NEAR(out, expected, d, tolerance * largest(expected, d));
  near &= CHECK_ALL_NEAR(out + d, expected + d, k, tolerance * largest(expected + d, k));
  CHECK_MSG(near, "%s on %s", name, isa);
  threads_stop(pool);
  free(picture);
  free(out);
  free(expected);
}

static void check_case(const struct fixture_case *c, const char *isa) {
  char name[128];
  snprintf(name, sizeof name, "%s-%d", c->arch, c->size);
  struct model *model = seeded_model(c->arch, c->size);
  if (model) check_model(model, c->size, name, isa);
  model_free(model);
}

static void check_cases(const char *isa, const struct fixture_case *cases) {
  bool slow_isa = !strcmp(isa, "plain") || !strcmp(isa, "reference");
  int most = !slow_isa ? LARGE : test_emulated() ? SMALL : MEDIUM;
  for (; cases->arch; cases++) {
    if (cases->cost <= most) check_case(cases, isa);
  }
}

static void on_every_isa(void (*check)(const char *isa, const struct fixture_case *cases),
                         const struct fixture_case *cases) {
  char *before = getenv("BACKBONES_ISA") ? strdup(getenv("BACKBONES_ISA")) : NULL;
  for (const char *const *isa = kernels_available(); *isa; isa++) {
    setenv("BACKBONES_ISA", *isa, 1);
    check(*isa, cases);
  }
  if (before)
    setenv("BACKBONES_ISA", before, 1);
  else
    unsetenv("BACKBONES_ISA");
  free(before);
}

TEST(resnets_equal_torchvision_and_timm) { on_every_isa(check_cases, resnets); }
TEST(convnexts_equal_torchvision_and_timm) { on_every_isa(check_cases, convnexts); }
TEST(transformers_equal_torchvision_and_timm) { on_every_isa(check_cases, transformers); }
TEST(swins_equal_torchvision_and_timm) { on_every_isa(check_cases, swins); }

/* The demo's: small members that no publisher has, trained, of 16-bit tensors (tests/reference/make_demo_fixtures.py).
 */
static struct model *demo_model(const char *name) {
  char path[128];
  snprintf(path, sizeof path, "evaluate/demo/%s.safetensors", name);
  struct checkpoint checkpoint;
  struct model *model = NULL;
  error e = {""};
  if (!CHECK_MSG(checkpoint_open(&checkpoint, path, &e) == OK, "%s", e.message)) return NULL;
  if (keys_canonicalize(&checkpoint, &e) == OK) model_load(&model, &checkpoint, NULL, &e);
  checkpoint_close(&checkpoint);
  CHECK_MSG(model != NULL, "%s", e.message);
  return model;
}

static void check_demo_models(const char *isa, const struct fixture_case *unused) {
  (void)unused;
  static const char *const names[] = {"resnet8_cifar-demo", "convnext-demo", "vit-demo", "swin-demo", "clip-demo"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct model *model = demo_model(names[i]);
    if (model) check_model(model, 64, names[i], isa);
    model_free(model);
  }
}

TEST(demo_models_equal_timm) { on_every_isa(check_demo_models, NULL); }

TEST(parameters_and_flops_are_the_published_ones) {
  /* torchvision's documentation: parameters, and GMACs at 224. */
  static const struct {
    const char *arch;
    int64_t parameters;
    double gmacs;
  } known[] = {{"resnet18", 11689512, 1.81},
               {"resnet34", 21797672, 3.66},
               {"resnet50", 25557032, 4.09},
               {"resnet101", 44549160, 7.80},
               {"wide_resnet50_2", 68883240, 11.40},
               {"resnext50_32x4d", 25028904, 4.23},
               {"convnext_tiny", 28589128, 4.46},
               {"vit_base_patch16_224", 86567656, 17.56},
               {"swin_tiny_patch4_window7_224", 28288354, 4.49}};
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (test_emulated() && known[i].parameters > 30000000) continue;
    struct model *model = seeded_model(known[i].arch, 224);
    REQUIRE(model != NULL);
    struct model_info info = model_info(model);
    CHECK_MSG(info.parameters == known[i].parameters, "%s has %lld parameters", info.arch, (long long)info.parameters);
    CHECK_NEAR(info.gflops / 2, known[i].gmacs, 0.01);
    model_free(model);
  }
}

TEST(bits_do_not_depend_on_threads_batch_or_place) {
  enum { IMAGES = 8 }; /* with three threads: two for each, and two together */
  static const struct {
    const char *name;
    int size;
  } archs[] = {{"resnet18", 64},
               {"resnext50_32x4d", 64},
               {"resnet20_cifar", 64},
               {"convnextv2_atto", 64},
               {"vit_tiny_patch16_224", 64},
               {"vit_small_patch16_dinov3", 64},
               {"resnet50_clip", 64},
               {"swin_tiny_patch4_window7_224", 224}};
  for (size_t a = 0; a < sizeof archs / sizeof *archs; a++) {
    /* Nineteen pictures a network: an emulator gets smaller ones, and the demo's Swin, whose windows divide them. */
    bool swin = !strncmp(archs[a].name, "swin", 4);
    int size = !test_emulated() ? archs[a].size : swin ? 64 : 32;
    struct model *model = test_emulated() && swin ? demo_model("swin-demo") : seeded_model(archs[a].name, size);
    REQUIRE(model != NULL);
    size_t d = (size_t)model_info(model).features, picture = (size_t)(size * size * 3);
    float *input = malloc(IMAGES * picture * sizeof *input), *one = malloc(IMAGES * d * sizeof *one);
    float *many = malloc(IMAGES * d * sizeof *many);
    struct random random = {5};
    random_fill(&random, input, IMAGES * picture);
    error e = {""};
    struct threads *single = threads_start(1, &e), *several = threads_start(3, &e);
    struct session *s1, *s3;
    REQUIRE(session_start(&s1, model, single, 1, &e) == OK && session_start(&s3, model, several, IMAGES, &e) == OK);
    session_run(s1, input, IMAGES, one, NULL, NULL);
    size_t ops = (size_t)plan_op_count(model_plan(model));
    double *seconds = calloc(ops, sizeof *seconds), sum = 0;
    session_run(s3, input, IMAGES, many, NULL, seconds);
    for (size_t i = 0; i < ops; i++) sum += seconds[i];
    CHECK(sum > 0);
    free(seconds);
    CHECK(!memcmp(one, many, IMAGES * d * sizeof *one));
    /* Another place in the batch. */
    session_run(s3, input + 2 * picture, 3, many, NULL, NULL);
    CHECK(!memcmp(one + 2 * d, many, 3 * d * sizeof *one));
    session_end(s1);
    session_end(s3);
    threads_stop(single);
    threads_stop(several);
    free(input);
    free(one);
    free(many);
    model_free(model);
  }
}

TEST(planner_never_overlaps_what_lives_together) {
  struct random random = {11};
  for (int round = 0; round < 100; round++) {
    struct placement p[40];
    int n = random_between(&random, 1, 40);
    size_t total, most = 0;
    for (int i = 0; i < n; i++) {
      p[i] = (struct placement){.size = (size_t)random_between(&random, 0, 5000)};
      p[i].first = random_between(&random, 0, 30);
      p[i].last = p[i].first + random_between(&random, 0, 6);
    }
    error e;
    REQUIRE(place_all(p, (size_t)n, &total, &e) == OK);
    for (int i = 0; i < n; i++) {
      CHECK(p[i].offset % 16 == 0 && p[i].offset + p[i].size <= total);
      if (p[i].offset + p[i].size > most) most = p[i].offset + p[i].size;
      for (int j = 0; j < i; j++) {
        bool together = p[i].first <= p[j].last && p[j].first <= p[i].last;
        bool overlap = p[i].offset < p[j].offset + p[j].size && p[j].offset < p[i].offset + p[i].size;
        CHECK(!(together && overlap));
      }
    }
    CHECK(most == total);
  }
}

TEST(unknown_architectures_are_named_with_the_known_ones) {
  struct model *model;
  error e = {""};
  CHECK(model_seeded(&model, "resnet51", 1, NULL, &e) == FAILED);
  CHECK_CONTAINS(e.message, "unknown architecture resnet51");
  CHECK_CONTAINS(e.message, "resnet50");
}

TEST(inputs_too_small_for_the_network_are_refused) {
  struct recipe recipe = {.height = 1, .width = 1, .crop_fraction = 1, .std = {1, 1, 1}};
  struct model *model = NULL;
  error e = {""};
  /* One pixel is enough for a ResNet (every stage rounds up), so this runs; zero is not. */
  CHECK(model_seeded(&model, "resnet18", 1, &recipe, &e) == OK);
  model_free(model);
  recipe.height = 0;
  CHECK(model_seeded(&model, "resnet18", 1, &recipe, &e) == FAILED);
  CHECK_CONTAINS(e.message, "too small");
}
