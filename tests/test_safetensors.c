#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernels/memory.h"
#include "tests/harness.h"
#include "weights-tools/safetensors.h"
#include "weights-tools/sha256.h"

/* A file in memory: the length, the header, `data` bytes counting up. Returns its size; *bytes is exact, so that a
 * sanitizer sees every step beyond. */
static size_t build(uint8_t **bytes, const char *header, size_t data) {
  size_t length = strlen(header), size = 8 + length + data;
  *bytes = malloc(size);
  for (int i = 0; i < 8; i++) (*bytes)[i] = (uint8_t)((uint64_t)length >> (8 * i));
  memcpy(*bytes + 8, header, length);
  for (size_t i = 0; i < data; i++) (*bytes)[8 + length + i] = (uint8_t)i;
  return size;
}

/* The message of a header that must be refused, "accepted" otherwise. */
static const char *refusal(const char *header, size_t data) {
  static error e;
  uint8_t *bytes;
  size_t size = build(&bytes, header, data);
  struct safetensors s;
  strcpy(e.message, "accepted");
  if (safetensors_parse(&s, bytes, size, &e) == OK) safetensors_close(&s);
  free(bytes);
  return e.message;
}

#define TENSOR(name, dtype, shape, begin, end) \
  "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

TEST(safetensors_reads_what_the_format_allows) {
  uint8_t *bytes;
  size_t size =
      build(&bytes,
            "{\"__metadata__\":{\"k\":\"v\"}," TENSOR("scalar", "F64", "[]", 12, 20) "," TENSOR(
                "none", "F32", "[0,9223372036854775807]", 12, 12) "," TENSOR("b", "BF16", "[2,3]", 0, 12) "}  ",
            20);
  struct safetensors s;
  error e = {""};
  REQUIRE(safetensors_parse(&s, bytes, size, &e) == OK);
  CHECK(s.count == 3 && s.metadata_count == 1);
  CHECK_STRING(safetensors_metadata(&s, "k"), "v");
  CHECK(safetensors_metadata(&s, "absent") == NULL);
  CHECK_STRING(s.tensors[0].name, "scalar");
  CHECK(s.tensors[0].dimensions == 0 && s.tensors[0].elements == 1 && s.tensors[0].bytes == 8);
  CHECK(s.tensors[1].elements == 0 && s.tensors[1].bytes == 0);
  CHECK(s.tensors[2].dimensions == 2 && s.tensors[2].shape[1] == 3 && s.tensors[2].data[0] == 0);
  CHECK(s.tensors[0].data[0] == 12);
  safetensors_close(&s);
  free(bytes);
}

TEST(safetensors_accepts_edge_cases) {
  CHECK_STRING(refusal("{}", 0), "accepted");
  CHECK_STRING(refusal("{" TENSOR("a", "U8", "[1,1,1,1,1,1,1,4]", 0, 4) "}", 4), "accepted");
  CHECK_STRING(refusal("{" TENSOR("\\u00e4", "U8", "[4]", 0, 4) "}", 4), "accepted");
  const char *const dtypes[] = {"F64", "F32", "F16",  "BF16", "I64", "I32", "I16",
                                "I8",  "U8",  "BOOL", "U16",  "U32", "U64"};
  for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
    char header[100];
    snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"%s\",\"shape\":[0],\"data_offsets\":[0,0]}}", dtypes[i]);
    CHECK_STRING(refusal(header, 0), "accepted");
  }
}

TEST(safetensors_enforces_every_rule) {
  static const struct {
    const char *header;
    size_t data;
    const char *reason;
  } cases[] = {
      {"[]", 0, "does not begin with {"},
      {" {}", 0, "does not begin with {"},
      {"{", 0, "safetensors header: byte 1"},
      {"{}x", 0, "something follows"},
      {"{}", 1, "1 bytes at the end belong to no tensor"},
      {"{\"a\":1}", 0, "tensor \"a\": its description is not an object"},
      {"{\"a\":{}}", 0, "its dtype is missing"},
      {"{" TENSOR("a", "F31", "[1]", 0, 4) "}", 4, "unknown dtype \"F31\""},
      {"{" TENSOR("a", "f32", "[1]", 0, 4) "}", 4, "unknown dtype"},
      {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "its dtype is missing or not a string"},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "its shape is missing"},
      {"{" TENSOR("a", "F32", "1", 0, 4) "}", 4, "not an array"},
      {"{" TENSOR("a", "F32", "[-1]", 0, 4) "}", 4, "holds what is no size"},
      {"{" TENSOR("a", "F32", "[1.5]", 0, 4) "}", 4, "holds what is no size"},
      {"{" TENSOR("a", "F32", "[\"1\"]", 0, 4) "}", 4, "holds what is no size"},
      {"{" TENSOR("a", "F32", "[1e30]", 0, 4) "}", 4, "holds what is no size"},
      {"{" TENSOR("a", "U8", "[1,1,1,1,1,1,1,1,1]", 0, 1) "}", 1, "9 dimensions"},
      {"{" TENSOR("a", "U8", "[4294967296,4294967296]", 0, 0) "}", 0, "too large to count"},
      {"{" TENSOR("a", "F64", "[4611686018427387904]", 0, 0) "}", 0, "0 bytes of data for"},
      {"{" TENSOR("a", "F32", "[2]", 0, 4) "}", 4, "4 bytes of data for 2 elements of F32"},
      {"{" TENSOR("a", "F32", "[1]", 0, 8) "}", 8, "8 bytes of data for 1 elements"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets are missing"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "no pair"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "no pair"},
      {"{" TENSOR("a", "F32", "[1]", 4, 0) "}", 4, "no range"},
      {"{" TENSOR("a", "F32", "[1]", -4, 0) "}", 4, "no range"},
      {"{" TENSOR("a", "F32", "[1]", 0, 1e400) "}", 4, "out of range"},
      {"{" TENSOR("a", "F32", "[1]", 0, 4) "}", 3, "ends at byte 4 of 3: the file is truncated"},
      {"{" TENSOR("a", "U8", "[1]", 9223372036854775806, 9223372036854775807) "}", 4, "truncated or lies"},
      {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 2, 6) "}", 6, "(an overlap)"},
      {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 0, 4) "}", 4, "(an overlap)"},
      {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 8, 12) "}", 12, "(a hole)"},
      {"{" TENSOR("a", "F32", "[1]", 4, 8) "}", 8, "(a hole)"},
      {"{" TENSOR("a", "F32", "[0]", 2, 2) "," TENSOR("b", "F32", "[1]", 0, 4) "}", 4, "tensor \"a\""},
      {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("a", "F32", "[1]", 0, 4) "}", 4, "stands twice"},
      {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "stands twice"},
      {"{" TENSOR("a\\u0000b", "U8", "[1]", 0, 1) "}", 1, "NUL inside"},
      {"{\"__metadata__\":1}", 0, "__metadata__ is not an object"},
      {"{\"__metadata__\":{\"k\":1}}", 0, "not a plain string"},
      {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "stands twice"},
      {"{\"__metadata__\":{\"k\":\"a\\u0000\"}}", 0, "not a plain string"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *message = refusal(cases[i].header, cases[i].data);
    CHECK_MSG(strstr(message, cases[i].reason), "%s: \"%s\" instead of \"%s\"", cases[i].header, message,
              cases[i].reason);
  }
}

TEST(safetensors_refuses_lying_lengths) {
  struct safetensors s;
  error e = {""};
  uint8_t bytes[16] = {0};
  for (size_t size = 0; size < 8; size++) CHECK(safetensors_parse(&s, bytes, size, &e) == FAILED);
  CHECK(safetensors_parse(&s, bytes, 8, &e) == FAILED); /* an empty header */
  bytes[0] = 9;
  CHECK(safetensors_parse(&s, bytes, 16, &e) == FAILED);
  CHECK_CONTAINS(e.message, "a header of 9 bytes in a file of 16");
  memset(bytes, 0xFF, sizeof bytes);
  CHECK(safetensors_parse(&s, bytes, 16, &e) == FAILED);
  CHECK_CONTAINS(e.message, "18446744073709551615");
  const uint8_t zip[] = {'P', 'K', 3, 4};
  memcpy(bytes, zip, sizeof zip);
  CHECK(safetensors_parse(&s, bytes, 16, &e) == FAILED);
  CHECK_CONTAINS(e.message, "PyTorch");
}

TEST(safetensors_refuses_every_truncation) {
  uint8_t *bytes;
  size_t size = build(&bytes, "{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "I16", "[1]", 8, 10) "}", 10);
  for (size_t cut = 0; cut < size; cut++) {
    uint8_t *part = malloc(cut ? cut : 1);
    memcpy(part, bytes, cut);
    struct safetensors s;
    error e = {""};
    CHECK_MSG(safetensors_parse(&s, part, cut, &e) == FAILED && *e.message, "cut to %zu bytes", cut);
    free(part);
  }
  free(bytes);
}

TEST(safetensors_errors_name_the_file) {
  struct safetensors s;
  error e = {""};
  const char *path = path_join(test_folder(), "a.safetensors");
  CHECK(safetensors_open(&s, path, &e) == FAILED);
  CHECK_CONTAINS(e.message, "a.safetensors: No such file");
  REQUIRE(write_file(path, "version https://git-lfs", 23));
  CHECK(safetensors_open(&s, path, &e) == FAILED);
  CHECK_CONTAINS(e.message, "a.safetensors: not a safetensors file");
  CHECK_CONTAINS(e.message, "Git LFS");
  CHECK(safetensors_open(&s, test_folder(), &e) == FAILED);
  CHECK_CONTAINS(e.message, "is a folder");
}

/* ---- the writer ---- */

static const struct tensor_description descriptions[] = {
    {"conv.weight", DTYPE_F32, 2, {2, 3}}, {"scalar \"\xC3\xA4\"", DTYPE_F32, 0, {0}}, {"half", DTYPE_BF16, 1, {3}}};
static const float weight[6] = {1, 2, 3, 4, 5, 6}, scalar = 7;
static const uint16_t halves[3] = {1, 2, 3};

static int entries_in(const char *folder) {
  int count = 0;
  DIR *directory = opendir(folder);
  if (!directory) return -1;
  while (readdir(directory)) count++;
  closedir(directory);
  return count - 2;
}

static int write_three(const char *path, error *e) {
  struct metadata_entry metadata[] = {{(char[]){"a"}, (char[]){"line\nbreak"}}};
  struct safetensors_writer *w = safetensors_create(path, descriptions, 3, metadata, 1, e);
  if (!w) return FAILED;
  if (safetensors_write(w, weight, sizeof weight, e) != OK || safetensors_write(w, &scalar, sizeof scalar, e) != OK ||
      safetensors_write(w, halves, sizeof halves, e) != OK) {
    safetensors_abandon(w);
    return FAILED;
  }
  return safetensors_finish(w, e);
}

TEST(safetensors_written_reads_back) {
  const char *path = path_join(test_folder(), "out.safetensors");
  error e = {""};
  REQUIRE(write_three(path, &e) == OK);
  REQUIRE(write_three(path, &e) == OK); /* over an older one */
  CHECK(entries_in(test_folder()) == 1);
  struct safetensors s;
  REQUIRE(safetensors_open(&s, path, &e) == OK);
  CHECK(s.count == 3);
  CHECK_STRING(safetensors_metadata(&s, "a"), "line\nbreak");
  CHECK_STRING(s.tensors[1].name, "scalar \"\xC3\xA4\"");
  float read[6] = {0};
  REQUIRE(s.tensors[0].bytes == sizeof weight);
  dtype_to_float(DTYPE_F32, s.tensors[0].data, read, 6);
  CHECK_ALL_NEAR(read, weight, 6, 0);
  CHECK(s.tensors[2].dtype == DTYPE_BF16 && !memcmp(s.tensors[2].data, halves, sizeof halves));
  CHECK((size_t)(s.tensors[0].data - s.file.bytes) % 8 == 0);
  safetensors_close(&s);
}

TEST(safetensors_writer_leaves_nothing_behind) {
  const char *path = path_join(test_folder(), "out.safetensors");
  error e = {""};
  struct safetensors_writer *w = safetensors_create(path, descriptions, 3, NULL, 0, &e);
  REQUIRE(w);
  CHECK(entries_in(test_folder()) == 1); /* a temporary name */
  CHECK(access(path, F_OK) != 0);
  CHECK(safetensors_write(w, weight, 20, &e) == FAILED); /* the wrong size */
  safetensors_abandon(w);
  CHECK(entries_in(test_folder()) == 0);
  w = safetensors_create(path, descriptions, 3, NULL, 0, &e);
  REQUIRE(w);
  CHECK(safetensors_write(w, weight, sizeof weight, &e) == OK);
  CHECK(safetensors_finish(w, &e) == FAILED);
  CHECK_CONTAINS(e.message, "1 of 3 tensors were written");
  CHECK(entries_in(test_folder()) == 0);
}

TEST(safetensors_writer_refuses_bad_places) {
  error e = {""};
  CHECK(write_three(path_join(test_folder(), "absent/out.safetensors"), &e) == FAILED);
  CHECK_CONTAINS(e.message, "out.safetensors: No such file");
  CHECK(write_three(test_folder(), &e) == FAILED);
  CHECK_CONTAINS(e.message, "is a folder");
  CHECK(write_three("/dev/null", &e) == FAILED);
  CHECK_CONTAINS(e.message, "/dev/null: is not a regular file");
  struct tensor_description huge = {"huge", DTYPE_F64, 2, {INT64_MAX, 2}};
  CHECK(safetensors_create(path_join(test_folder(), "huge.safetensors"), &huge, 1, NULL, 0, &e) == NULL);
  CHECK_CONTAINS(e.message, "too large");
  CHECK(entries_in(test_folder()) == 0);
}

/* A limit on the file's size fails a write in the same way as a full disk, after part of it succeeded. */
TEST(safetensors_writer_on_a_full_disk) {
  const char *path = path_join(test_folder(), "out.safetensors");
  struct tensor_description large = {"large", DTYPE_U8, 1, {1 << 20}};
  error e = {""};
  struct rlimit before, limit;
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  limit = before;
  limit.rlim_cur = 64 << 10;
  REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  uint8_t *data = calloc(1, 1 << 20);
  struct safetensors_writer *w = safetensors_create(path, &large, 1, NULL, 0, &e);
  CHECK(w != NULL);
  if (w) CHECK(safetensors_write(w, data, 1 << 20, &e) == FAILED);
  CHECK_CONTAINS(e.message, "out.safetensors: File too large");
  safetensors_abandon(w);
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  CHECK(entries_in(test_folder()) == 0);
  free(data);
}

/* ---- SHA-256 ---- */

static const char *hash_in_pieces(const char *text, size_t size, size_t piece) {
  static char hex[SHA256_TEXT];
  struct sha256 hash;
  sha256_begin(&hash);
  for (size_t at = 0; at < size; at += piece) sha256_add(&hash, text + at, size - at < piece ? size - at : piece);
  sha256_finish(&hash, hex);
  return hex;
}

/* The examples of FIPS 180-4's validation, and every way to cut one into pieces. */
TEST(sha256_vectors) {
  CHECK_STRING(hash_in_pieces("", 0, 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_STRING(hash_in_pieces("abc", 3, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (size_t piece = 1; piece <= 56; piece++) {
    CHECK_STRING(hash_in_pieces(two, 56, piece), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
  char *million = malloc(1000000);
  REQUIRE(million);
  memset(million, 'a', 1000000);
  CHECK_STRING(hash_in_pieces(million, 1000000, 1000),
               "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(million);
}
