/* Real files of torch.save() and TorchScript against what torch says is in them, and as checkpoints. */
#include "weights-tools/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"

/* ---- real files ---- */

static const char *torch_fixture(const char *name) { return path_join(fixture("torch"), name); }

/* A line as make_torch_fixtures.py writes it: name, dtype, shape, bytes. */
static void describe(FILE *out, const struct tensor *t) {
  fprintf(out, "%s %s ", t->name, dtype_name(t->dtype));
  for (int i = 0; i < t->dimensions; i++) fprintf(out, "%s%lld", i ? "x" : "", (long long)t->shape[i]);
  fputs(t->dimensions ? " " : "- ", out);
  for (size_t i = 0; i < t->bytes; i++) fprintf(out, "%02x", t->data[i]);
  fputs(t->bytes ? "\n" : "-\n", out);
}

static void check_fixture(const char *name, const char *listing) {
  struct torch_file t;
  error e = {""};
  if (!CHECK_MSG(torch_file_open(&t, torch_fixture(name), &e) == OK, "%s", e.message)) return;
  char *actual = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&actual, &length);
  for (size_t i = 0; i < t.count; i++) describe(out, &t.tensors[i]);
  fclose(out);
  char *expected = read_file(torch_fixture(listing), NULL);
  CHECK(expected != NULL);
  if (expected) CHECK_STRING(actual, expected);
  free(actual);
  free(expected);
  torch_file_close(&t);
}

TEST(torch_file_every_dtype) {
  check_fixture("dtypes.pth", "dtypes.txt");
  check_fixture("dtypes-old.pth", "dtypes.txt");
}

TEST(torch_file_views) {
  check_fixture("views.pth", "views.txt");
  check_fixture("views-old.pth", "views.txt");
}

TEST(torch_file_training_checkpoint) {
  check_fixture("training.pth", "training.txt");
  check_fixture("training-old.pth", "training.txt");
}

TEST(torch_file_pickle_protocol_5) {
  check_fixture("protocol5.pth", "protocol5.txt");
  check_fixture("protocol5-old.pth", "protocol5.txt");
}

TEST(torch_file_script) { check_fixture("script.pt", "script.txt"); }

TEST(torch_file_maps_what_is_contiguous) {
  struct torch_file t;
  error e;
  REQUIRE(torch_file_open(&t, torch_fixture("views.pth"), &e) == OK);
  for (size_t i = 0; i < t.count; i++) {
    const char *name = t.tensors[i].name;
    bool inside = t.tensors[i].data >= t.file.bytes && t.tensors[i].data < t.file.bytes + t.file.size;
    bool contiguous = !strcmp(name, "base") || !strcmp(name, "same") || !strcmp(name, "row");
    CHECK_MSG(inside == contiguous, "%s", name);
  }
  torch_file_close(&t);
}

/* ---- as a checkpoint ---- */

static bool copy_fixture(const char *name, const char *to) {
  size_t size;
  char *bytes = read_file(torch_fixture(name), &size);
  bool good = bytes && write_file(path_join(test_folder(), to), bytes, size);
  free(bytes);
  return good;
}

static const char *open_refusal(const char *path) {
  static error e;
  struct checkpoint c;
  strcpy(e.message, "accepted");
  if (checkpoint_open(&c, path, &e) == OK) checkpoint_close(&c);
  return e.message;
}

static bool write_text(const char *name, const char *text) {
  return write_file(path_join(test_folder(), name), text, strlen(text));
}

TEST(torch_checkpoint_by_content) {
  REQUIRE(copy_fixture("training.pth", "weights.dat") && copy_fixture("training-old.pth", "x.safetensors"));
  struct checkpoint c;
  error e = {""};
  REQUIRE(checkpoint_open(&c, path_join(test_folder(), "weights.dat"), &e) == OK);
  const struct tensor *t = checkpoint_find(&c, "parameter");
  REQUIRE(t && t->elements == 2);
  float values[2];
  CHECK(tensor_to_float(t, values, &e) == OK && values[0] == 1 && values[1] == 2);
  char hash[65];
  CHECK(checkpoint_sha256(&c, hash, &e) == OK && strlen(hash) == 64);
  checkpoint_close(&c);
  CHECK_STRING(open_refusal(path_join(test_folder(), "x.safetensors")), "accepted");
}

TEST(torch_checkpoint_in_a_folder) {
  REQUIRE(copy_fixture("dtypes.pth", "one.pth"));
  CHECK_STRING(open_refusal(test_folder()), "accepted");
  REQUIRE(copy_fixture("views.pth", "two.bin"));
  CHECK_CONTAINS(open_refusal(test_folder()), "name the one to use");
  REQUIRE(copy_fixture("views-old.pth", "pytorch_model.bin"));
  REQUIRE(
      write_text("config.json", "{\"architecture\": \"resnet18\", \"pretrained_cfg\": {\"input_size\": [3, 96, 96]}}"));
  const char *const paths[] = {test_folder(), path_join(test_folder(), "pytorch_model.bin")};
  for (int i = 0; i < 2; i++) {
    struct checkpoint c;
    error e = {""};
    REQUIRE(checkpoint_open(&c, paths[i], &e) == OK);
    CHECK(checkpoint_find(&c, "transposed") && c.arch && !strcmp(c.arch, "resnet18"));
    checkpoint_close(&c);
  }
}

TEST(torch_checkpoint_of_shards) {
  REQUIRE(copy_fixture("views.pth", "m-1.bin") && copy_fixture("script.pt", "m-2.bin"));
  static const char views[] =
      "\"base\": \"m-1.bin\", \"same\": \"m-1.bin\", \"row\": \"m-1.bin\", \"column\": \"m-1.bin\", \"last\": "
      "\"m-1.bin\", "
      "\"transposed\": \"m-1.bin\", \"every_second\": \"m-1.bin\", \"expanded\": \"m-1.bin\", "
      "\"channels_last\": \"m-1.bin\", \"one_sized\": \"m-1.bin\", \"diagonal\": \"m-1.bin\"";
  char index[1000];
  snprintf(index, sizeof index, "{\"weight_map\": {%s}}", views);
  REQUIRE(write_text("pytorch_model.bin.index.json", index));
  CHECK_STRING(open_refusal(test_folder()), "accepted");
  snprintf(index, sizeof index, "{\"weight_map\": {%s, \"fc.weight\": \"m-2.bin\"}}", views);
  REQUIRE(write_text("pytorch_model.bin.index.json", index));
  CHECK_CONTAINS(open_refusal(test_folder()), "is in m-2.bin, but the index does not list it");
  REQUIRE(write_text("pytorch_model.bin.index.json", "{\"weight_map\": {\"base\": \"m.safetensors\"}}"));
  CHECK_CONTAINS(open_refusal(test_folder()), "is not placed in a .bin file of the same folder");
}

TEST(checkpoint_part_is_selected) {
  struct checkpoint c;
  error e = {""};
  REQUIRE(checkpoint_open(&c, torch_fixture("training.pth"), &e) == OK);
  CHECK(checkpoint_select(&c, "teacher.student", &e) == FAILED);
  CHECK_CONTAINS(e.message, "training.pth: no part is called \"teacher.student\"; there are: teacher.module");
  CHECK(checkpoint_select(&c, "ema", &e) == FAILED);
  CHECK_CONTAINS(e.message, "there are: 5, args, counts, list, model, optimizer, teacher");
  CHECK(checkpoint_select(&c, "", &e) == FAILED && checkpoint_select(&c, "teach", &e) == FAILED);
  CHECK(checkpoint_select(&c, "parameter", &e) == FAILED);
  REQUIRE(checkpoint_select(&c, "teacher", &e) == OK);
  CHECK(c.count == 7 && checkpoint_find(&c, "module.0.weight"));
  CHECK_STRING(c.tensors[0].source_name, "teacher.module.0.bias");
  REQUIRE(checkpoint_select(&c, "module.1", &e) == OK);
  CHECK(c.count == 5 && checkpoint_find(&c, "running_var"));
  CHECK(checkpoint_select(&c, "x", &e) == FAILED);
  CHECK_CONTAINS(e.message, "there are: none");
  checkpoint_close(&c);
}
