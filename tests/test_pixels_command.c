/* `backbones pixels`: its hashes are Pillow's and torchvision's, its rows in order, its errors told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness.h"
#include "weights-tools/json.h"
#include "weights-tools/sha256.h"

/* ---- what --json printed ------------------------------------------------------------------------------------------*/

static struct json_document parse(const char *text) {
  struct json_document document = {0};
  error e = {""};
  CHECK_MSG(json_parse(&document, text, strlen(text), true, &e) == OK, "%s: %s", e.message, text);
  return document;
}

static const struct json *image_of(const struct json_document *document, int i) {
  const struct json *images = json_get(document->root, "images");
  const struct json *image = images ? images->first : NULL;
  while (image && i-- > 0) image = image->next;
  return image;
}

static size_t images_in(const struct json_document *document) {
  const struct json *images = json_get(document->root, "images");
  return images ? images->length : 0;
}

static void check_member(const struct json *image, const char *key, const char *expected) {
  const char *actual = json_get_string(image, key);
  CHECK_MSG(actual && !strcmp(actual, expected), "%s is %s, not %s", key, actual ? actual : "missing", expected);
}

/* ---- pictures -----------------------------------------------------------------------------------------------------*/

static const char *put(const char *name, const void *bytes, size_t size) {
  const char *path = path_join(test_folder(), name);
  CHECK(write_file(path, bytes, size));
  return path;
}

static const char ppm[] =
    "P6 3 2 255\n\000\001\002\003\004\005\377\376\375"
    "\200\100\040\020\010\004\121\122\123";
enum { PPM_HEADER = 11, PPM_PIXELS = 18 };

static const char *put_ppm(const char *name) { return put(name, ppm, PPM_HEADER + PPM_PIXELS); }

static void hash(const void *bytes, size_t size, char text[static SHA256_TEXT]) {
  struct sha256 state;
  sha256_begin(&state);
  sha256_add(&state, bytes, size);
  sha256_finish(&state, text);
}

/* As Pillow 12.3 and torchvision 0.29 have them: sha256(Image.open(f).convert("RGB").tobytes()), and of
 * Compose([Resize(256, BICUBIC), CenterCrop(224), ToTensor(), Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
 * with channels last. */
TEST(pixels_hashes_are_pillows_and_torchvisions) {
  static const struct {
    const char *file, *format, *rgb, *input;
    int width, height;
  } rows[] = {
      {"jpeg/420-37x29.jpg", "JPEG", "acee4236d5888534de37eb6ae2ba06ad7c1ff52bb58fc704dc67528a8298df7a",
       "67c7142dc99509030b357c3347e21fe4cde45f32526f118d541fbd67f0d3440d", 37, 29},
      {"jpeg/422-37x29-progressive.jpg", "JPEG", "5bf571fccc9b5f6c9fa250369457872ab78209988a019f7a1b1ac483d60457ee",
       "d3fe7ec1eb05887bcfff64b83ac438a5f0ef2d6752ea6a09356c18780a0fd543", 37, 29},
      {"png/color6-8-interlaced.png", "PNG", "d0af97a665e12492c9a1914f60c3addedcc0ba4368f9e8d15bd43800511f079f",
       "959b60c9304f16cafacfcb0cd76f5707694a88921a852dd9d73c1d543732125d", 13, 11},
  };
  struct run run = RUN("pixels", "--json", fixture(rows[0].file), fixture(rows[1].file), fixture(rows[2].file));
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  struct json_document document = parse(run.out);
  struct run table = RUN("pixels", fixture(rows[0].file), fixture(rows[1].file), fixture(rows[2].file));
  CHECK(table.exit_code == 0);
  for (int i = 0; i < 3; i++) {
    const struct json *image = image_of(&document, i);
    int64_t width = 0, height = 0;
    bool partial = true;
    check_member(image, "path", fixture(rows[i].file));
    check_member(image, "format", rows[i].format);
    check_member(image, "rgb_sha256", rows[i].rgb);
    check_member(image, "input_sha256", rows[i].input);
    CHECK(json_get_integer(image, "width", &width) && width == rows[i].width);
    CHECK(json_get_integer(image, "height", &height) && height == rows[i].height);
    CHECK(json_get_boolean(image, "partial", &partial) && !partial);
    char row[256];
    snprintf(row, sizeof row, "\n%.16s  %.16s  %d x %d       %s", rows[i].rgb, rows[i].input, rows[i].width,
             rows[i].height, rows[i].format);
    CHECK_CONTAINS(table.out, row);
  }
  json_free(&document);
}

TEST(pixels_hashes_of_a_picture_by_hand) {
  static const float mean[3] = {0.5f, 0.25f, 0.125f}, deviation[3] = {0.25f, 0.5f, 1};
  char rgb[SHA256_TEXT], input[SHA256_TEXT];
  float floats[2 * 2 * 3];
  static const uint8_t square[12] = {0, 1, 2, 253, 254, 255, 9, 99, 199, 128, 127, 126};
  char file[32] = "P6 2 2 255\n";
  memcpy(file + 11, square, sizeof square);
  for (int i = 0; i < 12; i++) floats[i] = ((float)square[i] / 255 - mean[i % 3]) / deviation[i % 3];
  hash(square, sizeof square, rgb);
  hash(floats, sizeof floats, input);
  struct run run = RUN("pixels", "--json", put("a.ppm", file, 23), "--input-size", "2", "--crop-mode", "none", "--mean",
                       "0.5,0.25,0.125", "--std", "0.25,0.5,1");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  struct json_document document = parse(run.out);
  check_member(image_of(&document, 0), "rgb_sha256", rgb);
  check_member(image_of(&document, 0), "input_sha256", input);
  const struct json *recipe = json_get(document.root, "recipe");
  check_member(recipe, "crop_mode", "none");
  check_member(recipe, "interpolation", "bicubic");
  json_free(&document);
}

TEST(pixels_keep_their_order_on_any_number_of_threads) {
  char *folder = strdup(fixture("jpeg")), *first = NULL;
  static const char *const threads[] = {"1", "2", "5"};
  for (int i = 0; i < 3; i++) {
    struct run run = RUN("pixels", "--json", "--input-size", "32", folder, fixture("png"), "--threads", threads[i]);
    if (!first) first = strdup(run.out);
    CHECK_STRING(run.out, first);
    struct json_document document = parse(run.out);
    CHECK(images_in(&document) > 60);
    const char *before = "";
    for (const struct json *image = image_of(&document, 0); image; image = image->next) {
      const char *path = json_get_string(image, "path");
      CHECK_MSG(path && strcmp(before, path) < 0, "%s is behind %s", path, before);
      before = path;
    }
    json_free(&document);
  }
  free(first);
  free(folder);
}

TEST(pixels_that_cannot_be_read_are_told_and_the_others_go_on) {
  const char *bad = put("bad.jpg", "nonsense", 8), *empty = put("empty.png", "", 0), *good = put_ppm("good.ppm");
  struct run run = RUN("pixels", bad, empty, "/no/such.jpg", good);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.out, good);
  CHECK_CONTAINS(run.out, "3 x 2         PPM");
  CHECK(!strstr(run.out, bad));
  CHECK_CONTAINS(run.err, "bad.jpg: not a picture in a known format");
  CHECK_CONTAINS(run.err, "empty.png: the file is empty");
  CHECK_CONTAINS(run.err, "backbones: /no/such.jpg: No such file");
  CHECK_CONTAINS(run.err, "backbones: 3 of 4 pictures could not be read\n");
  run = RUN("pixels", bad, good, "--json");
  CHECK(run.exit_code == 1);
  struct json_document document = parse(run.out);
  CHECK(images_in(&document) == 2);
  const char *reason = json_get_string(image_of(&document, 0), "error");
  CHECK_MSG(reason && !strncmp(reason, "not a picture", 13), "%s", reason);
  check_member(image_of(&document, 0), "path", bad);
  CHECK(json_get(image_of(&document, 1), "rgb_sha256") != NULL);
  json_free(&document);
  /* A picture that the recipe does not take. */
  run = RUN("pixels", good, "--crop-mode", "none");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "good.ppm: is 3x2, but the model takes 224x224 without resizing");
  run = RUN("pixels", good, "--max-pixels", "5");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "passes the limit of 5 pixels");
}

/* The header of a tar's member. */
static void fill_header(char header[512], const char *name, unsigned size) {
  memset(header, 0, 512);
  snprintf(header, 100, "%s", name);
  snprintf(header + 124, 12, "%011o", size);
  header[156] = '0';
  memset(header + 148, ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++) sum += (unsigned char)header[i];
  snprintf(header + 148, 8, "%06o", sum);
}

TEST(pixels_of_folders_and_tars) {
  static const char *const members[] = {"set/b/2.ppm", "set/a/1.ppm", "set/notes.txt", "set/.hidden.ppm",
                                        "set/b/x.raw"};
  static char bytes[5][2][512];
  for (int i = 0; i < 5; i++) {
    fill_header(bytes[i][0], members[i], PPM_HEADER + PPM_PIXELS);
    memcpy(bytes[i][1], ppm, PPM_HEADER + PPM_PIXELS);
  }
  char *tar = strdup(put("t.tar", bytes, sizeof bytes)), text[512];
  struct run run = RUN("pixels", tar);
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  const char *one = strstr(run.out, ":set/a/1.ppm\n"), *two = strstr(run.out, ":set/b/2.ppm\n");
  CHECK(one && two && one < two && !strstr(run.out, "hidden") && !strstr(run.out, "notes") && !strstr(run.out, ".raw"));
  /* What the rows name can be given again; a member that is named is taken whatever its name. */
  static const char *const inner[] = {"set/b", "b", "b/2.ppm", "set/b/x.raw"};
  for (int i = 0; i < 4; i++) {
    snprintf(text, sizeof text, "%s:%s", tar, inner[i]);
    run = RUN("pixels", text);
    CHECK_MSG(run.exit_code == 0, "%s", run.err);
    CHECK_CONTAINS(run.out, i < 3 ? ":set/b/2.ppm\n" : ":set/b/x.raw\n");
    CHECK(!strstr(run.out, "1.ppm"));
  }
  snprintf(text, sizeof text, "%s:c", tar);
  run = RUN("pixels", text);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "t.tar: holds no picture c\n");
  run = RUN("pixels", put("cut.tar", bytes, 520));
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "cut.tar: is truncated");

  char *folder = strdup(path_join(test_folder(), "photos"));
  CHECK(mkdir(folder, 0700) == 0);
  run = RUN("pixels", folder);
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "photos: holds no picture\n");
  CHECK(mkdir(path_join(folder, "deep"), 0700) == 0);
  CHECK(write_file(path_join(folder, "deep/b.PPM"), ppm, PPM_HEADER + PPM_PIXELS));
  CHECK(write_file(path_join(folder, "a.ppm"), ppm, PPM_HEADER + PPM_PIXELS));
  CHECK(write_file(path_join(folder, "notes.txt"), "x", 1));
  run = RUN("pixels", folder);
  CHECK(run.exit_code == 0);
  one = strstr(run.out, "photos/a.ppm\n"), two = strstr(run.out, "photos/deep/b.PPM\n");
  CHECK(one && two && one < two && !strstr(run.out, "notes"));
  free(folder);
  free(tar);
}

TEST(pixels_by_a_checkpoints_recipe) {
  static const char *const weights[] = {"seeded:resnet8_cifar", "evaluate/demo/resnet8_cifar-demo.safetensors"};
  static const char *const begins[] = {"{\"recipe\":{\"input\":[3,32,32],", "{\"recipe\":{\"input\":[3,64,64],"};
  for (int i = 0; i < 2; i++) {
    struct run run = RUN("pixels", fixture("jpeg/gray.jpg"), "--weights", weights[i], "--json", "--crop-mode", "squash",
                         "--interpolation", "box");
    CHECK_MSG(run.exit_code == 0, "%s", run.err);
    CHECK_CONTAINS(run.out, begins[i]);
    CHECK_CONTAINS(run.out, "\"interpolation\":\"box\",\"crop_mode\":\"squash\"");
  }
  struct run run = RUN("pixels", fixture("jpeg/gray.jpg"), "--weights", "/no/such");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "backbones: /no/such: ");
  run = RUN("pixels", fixture("jpeg/gray.jpg"), "--weights", "seeded:resnet51");
  CHECK(run.exit_code == 2);
}

/* The pictures written are those of which the hashes are. */
TEST(pixels_write_what_they_hash) {
  char *folder = strdup(path_join(test_folder(), "out/deep"));
  struct run run = RUN("pixels", fixture("jpeg/420-37x29.jpg"), fixture("jpeg/gray.jpg"), "--json", "--write", folder,
                       "--input-size", "16");
  CHECK_MSG(run.exit_code == 0, "%s", run.err);
  struct json_document document = parse(run.out);
  run = RUN("pixels", path_join(folder, "0001-420-37x29.jpg.decoded.png"), "--json");
  struct json_document decoded = parse(run.out);
  run = RUN("pixels", path_join(folder, "0001-420-37x29.jpg.input.png"), "--json", "--crop-mode", "none",
            "--input-size", "16");
  struct json_document input = parse(run.out);
  const char *rgb = json_get_string(image_of(&document, 0), "rgb_sha256");
  const char *floats = json_get_string(image_of(&document, 0), "input_sha256");
  REQUIRE(rgb && floats);
  check_member(image_of(&decoded, 0), "rgb_sha256", rgb);
  check_member(image_of(&input, 0), "input_sha256", floats);
  CHECK(access(path_join(folder, "0002-gray.jpg.input.png"), F_OK) == 0);
  json_free(&document);
  json_free(&decoded);
  json_free(&input);
  run = RUN("pixels", fixture("jpeg/gray.jpg"), "--write", "/proc/nowhere");
  CHECK(run.exit_code == 1);
  CHECK_CONTAINS(run.err, "/proc/nowhere");
  free(folder);
}

TEST(pixels_wrong_usage) {
  CHECK(RUN("pixels").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--interpolation", "sinc").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--crop-mode", "border").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--input-size", "0").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--crop", "1.5").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--mean", "1,2").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--max-pixels", "0").exit_code == 2);
  CHECK(RUN("pixels", "a.jpg", "--threads", "0").exit_code == 2);
}
