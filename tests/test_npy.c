/* .npy arrays: what is read, what is refused and why, and that what is written is read back. */
#include "evaluate/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/harness.h"

/* A version 1.0 file of this header text and data; returns its size. */
static size_t build(uint8_t *bytes, const char *header, const void *data, size_t size) {
  size_t length = strlen(header);
  memcpy(bytes, "\x93NUMPY\x01\x00", 8);
  bytes[8] = (uint8_t)length;
  bytes[9] = (uint8_t)(length >> 8);
  memcpy(bytes + 10, header, length);
  if (size) memcpy(bytes + 10 + length, data, size);
  return 10 + length + size;
}

TEST(npy_reads_valid_headers) {
  static const char *const headers[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n",
      "{\"shape\":(2,3),\"descr\":\"<f4\",\"fortran_order\":False}\n",
      "  { 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '<f4' } \n",
  };
  const float values[6] = {1, -2, 3.5f, 0, 1e30f, -0.25f};
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    uint8_t bytes[256];
    struct npy array;
    error e = {""};
    size_t size = build(bytes, headers[i], values, sizeof values);
    CHECK_MSG(npy_parse(&array, bytes, size, &e) == OK, "%s: %s", headers[i], e.message);
    CHECK(array.dimensions == 2 && array.shape[0] == 2 && array.shape[1] == 3 && array.elements == 6);
    const float *read;
    void *owned;
    REQUIRE(npy_floats(&array, &read, &owned, &e) == OK);
    CHECK(!memcmp(read, values, sizeof values));
    free(owned);
  }
}

TEST(npy_reads_scalars_empty_arrays_and_later_versions) {
  uint8_t bytes[256];
  struct npy array;
  error e = {""};
  const int64_t seven = 7;
  size_t size = build(bytes, "{'descr': '<i8', 'fortran_order': False, 'shape': ()}\n", &seven, 8);
  REQUIRE(npy_parse(&array, bytes, size, &e) == OK);
  CHECK(array.dimensions == 0 && array.elements == 1);
  size = build(bytes, "{'descr': '<i8', 'fortran_order': False, 'shape': (0, 18446744073709551615)}\n", NULL, 0);
  REQUIRE(npy_parse(&array, bytes, size, &e) == OK);
  CHECK(array.elements == 0);
  const char *header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}\n";
  for (uint8_t version = 2; version <= 3; version++) {
    size_t length = strlen(header);
    memcpy(bytes, "\x93NUMPY", 6);
    const uint8_t rest[6] = {version, 0, (uint8_t)length, 0, 0, 0};
    memcpy(bytes + 6, rest, 6);
    memcpy(bytes + 12, header, length);
    bytes[12 + length] = 9;
    REQUIRE(npy_parse(&array, bytes, 13 + length, &e) == OK);
    CHECK(array.data[0] == 9);
  }
}

TEST(npy_integers_of_every_width) {
  static const struct {
    const char *descr;
    uint8_t bytes[8];
    size_t size;
    int64_t value;
  } cases[] = {
      {"|i1", {0xfe}, 1, -2},
      {"|u1", {0xfe}, 1, 254},
      {"<i2", {0xfe, 0xff}, 2, -2},
      {"<u2", {0xfe, 0xff}, 2, 65534},
      {"<i4", {0xfe, 0xff, 0xff, 0xff}, 4, -2},
      {"<u4", {0xfe, 0xff, 0xff, 0xff}, 4, 4294967294},
      {"<i8", {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, -2},
      {"<u8", {1, 0, 0, 0, 0, 0, 0, 1}, 8, (1LL << 56) + 1},
      {"|b1", {1}, 1, 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    char header[128];
    uint8_t bytes[256];
    struct npy array;
    error e = {""};
    int64_t *values;
    snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (1,), }\n", cases[i].descr);
    size_t size = build(bytes, header, cases[i].bytes, cases[i].size);
    REQUIRE(npy_parse(&array, bytes, size, &e) == OK);
    REQUIRE(npy_integers(&array, &values, &e) == OK);
    CHECK_MSG(values[0] == cases[i].value, "%s: %lld", cases[i].descr, (long long)values[0]);
    free(values);
  }
}

TEST(npy_refuses_what_is_broken) {
  static const struct {
    const char *header, *message;
    size_t data;
  } cases[] = {
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}\n", "Fortran order", 24},
      {"{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}\n", "big-endian", 24},
      {"{'descr': '|O', 'fortran_order': False, 'shape': (6,)}\n", "Python objects", 24},
      {"{'descr': '<c8', 'fortran_order': False, 'shape': (6,)}\n", "unsupported type '<c8'", 48},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (7,)}\n", "truncated", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (5,)}\n", "4 bytes after its data", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (6)}\n", "not a tuple", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}\n", "no valid sizes", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}\n", "truncated", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}\n", "no valid sizes", 24},
      {"{'descr': '<f4', 'shape': (6,)}\n", "lacks the key 'fortran_order'", 24},
      {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}\n", "'descr' twice", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}\n", "unknown key 'x'", 24},
      {"{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} 1\n", "after its dictionary", 24},
      {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}\n", "not plain numbers", 24},
      {"{'descr': '<f4', 'fortran_order': 0, 'shape': (6,)}\n", "neither True nor False", 24},
      {"('descr', '<f4')\n", "not a dictionary", 24},
      {"", "not a dictionary", 0},
  };
  static const uint8_t data[64];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t bytes[256];
    struct npy array;
    error e = {""};
    size_t size = build(bytes, cases[i].header, data, cases[i].data);
    CHECK_MSG(npy_parse(&array, bytes, size, &e) == FAILED, "%s", cases[i].header);
    CHECK_CONTAINS(e.message, cases[i].message);
  }
  struct npy array;
  error e = {""};
  CHECK(npy_parse(&array, (const uint8_t *)"\x93NUMPY\x04\x00\x00\x00", 10, &e) == FAILED);
  CHECK_CONTAINS(e.message, "version 4.0");
  CHECK(npy_parse(&array, (const uint8_t *)"\x93NUMPY\x01\x00\xff\xff", 10, &e) == FAILED);
  CHECK_CONTAINS(e.message, "truncated inside its header");
  CHECK(npy_parse(&array, (const uint8_t *)"PK\x03\x04......", 10, &e) == FAILED);
  CHECK_CONTAINS(e.message, "is not an .npy file");
}

TEST(npy_writes_what_it_reads) {
  const char *path = path_join(test_folder(), "a.npy");
  struct npy_writer *writer;
  error e = {""};
  const float rows[4][3] = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}};
  REQUIRE(npy_create(&writer, path, DTYPE_F32, 3, &e) == OK);
  CHECK(npy_append(writer, rows, 1, &e) == OK);
  CHECK(npy_append(writer, rows[1], 0, &e) == OK);
  CHECK(npy_append(writer, rows[1], 3, &e) == OK);
  CHECK_MSG(access(path, F_OK) != 0, "the file has its name before it is whole");
  REQUIRE(npy_commit(writer, &e) == OK);
  struct npy array;
  REQUIRE(npy_open(&array, path, &e) == OK);
  CHECK(array.dtype == DTYPE_F32 && array.dimensions == 2 && array.shape[0] == 4 && array.shape[1] == 3);
  CHECK((size_t)(array.data - array.file.bytes) % 64 == 0);
  CHECK(!memcmp(array.data, rows, sizeof rows));
  npy_close(&array);
  /* The bytes that numpy.save() would write. */
  size_t size;
  char *bytes = read_file(path, &size);
  CHECK(size == 128 + sizeof rows);
  CHECK(!memcmp(bytes + 8, "\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), } ", 62));
  CHECK(bytes[127] == '\n');
  free(bytes);
}

TEST(npy_writer_leaves_nothing_behind) {
  const char *path = path_join(test_folder(), "b.npy");
  struct npy_writer *writer;
  error e = {""};
  const int64_t one = 1;
  REQUIRE(npy_create(&writer, path, DTYPE_I64, 0, &e) == OK);
  CHECK(npy_append(writer, &one, 1, &e) == OK);
  npy_abandon(writer);
  CHECK_MSG(rmdir(test_folder()) == 0, "the folder is not empty");
  CHECK(npy_create(&writer, path, DTYPE_I64, 0, &e) == FAILED);
  CHECK_CONTAINS(e.message, "b.npy: No such file or directory");
}
