/* Damaged and hostile files of torch.save(): each is refused by one clear line, or harmless. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/harness.h"
#include "weights-tools/torch_file.h"

/* ---- real files, damaged ---- */

/* Parse an exact copy, so that a sanitizer sees every byte read too many; touch all data. */
static int parse_copy(const void *bytes, size_t size, size_t *count, error *e) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) return FAILED;
  memcpy(copy, bytes, size);
  struct torch_file t;
  unsigned sum = 0;
  int status = torch_file_parse(&t, copy, size, e);
  for (size_t i = 0; status == OK && i < t.count; i++) {
    for (size_t j = 0; j < t.tensors[i].bytes; j++) sum += t.tensors[i].data[j];
  }
  if (status == OK && count) *count = t.count + (sum == 12345678);
  if (status == OK) torch_file_close(&t);
  free(copy);
  return status;
}

static const char *const all_files[] = {"dtypes.pth",   "dtypes-old.pth",   "views.pth", "views-old.pth",
                                        "training.pth", "training-old.pth", "script.pt", "protocol5-old.pth"};
enum { FILES = sizeof all_files / sizeof *all_files };

TEST(torch_file_refuses_every_truncation) {
  for (size_t i = 0; i < FILES; i++) {
    size_t size;
    char *bytes = read_file(path_join(fixture("torch"), all_files[i]), &size);
    REQUIRE(bytes);
    error e;
    for (size_t length = 0; length < size; length++) {
      if (!CHECK_MSG(parse_copy(bytes, length, NULL, &e) == FAILED, "%s cut to %zu", all_files[i], length)) break;
    }
    free(bytes);
  }
}

TEST(torch_file_survives_changed_bytes) {
  struct random random = {7};
  for (size_t i = 0; i < FILES; i++) {
    size_t size;
    char *bytes = read_file(path_join(fixture("torch"), all_files[i]), &size);
    REQUIRE(bytes);
    for (size_t at = 0; at < size; at++) {
      char before = bytes[at];
      error e;
      bytes[at] = (char)random_bits(&random);
      parse_copy(bytes, size, NULL, &e);
      bytes[at] = before;
    }
    free(bytes);
  }
}

/* ---- archives made here ---- */

struct entry {
  const char *name;
  const void *data;
  size_t size;
  /* Lies and oddities: 0 or NULL for none. */
  const char *local_name;
  unsigned central_size, local_size, offset, method, flags;
};

struct buffer {
  uint8_t *bytes;
  size_t size;
};

static void put(struct buffer *b, const void *data, size_t size) {
  memcpy(b->bytes + b->size, data, size);
  b->size += size;
}

static void put_number(struct buffer *b, uint64_t number, int bytes) {
  for (int i = 0; i < bytes; i++) b->bytes[b->size++] = (uint8_t)(number >> (8 * i));
}

/* flags, method, time, date, checksum, both sizes: common to both headers. */
static void put_common(struct buffer *b, const struct entry *entry, uint64_t size) {
  put_number(b, entry->flags, 2);
  put_number(b, entry->method, 2);
  put_number(b, 0, 8);
  put_number(b, size, 4);
  put_number(b, size, 4);
}

/* Free .bytes. */
static struct buffer make_zip(const struct entry *entries, int n) {
  size_t total = 100, offsets[8];
  for (int i = 0; i < n; i++) total += entries[i].size + 200 + 2 * strlen(entries[i].name);
  struct buffer b = {malloc(total), 0};
  if (!b.bytes) abort();
  for (int i = 0; i < n; i++) {
    const struct entry *entry = &entries[i];
    const char *name = entry->local_name ? entry->local_name : entry->name;
    offsets[i] = b.size;
    put(&b, "PK\3\4\24\0", 6);
    put_common(&b, entry, entry->local_size ? entry->local_size : entry->size);
    put_number(&b, strlen(name), 2);
    put_number(&b, 0, 2);
    put(&b, name, strlen(name));
    put(&b, entry->data, entry->size);
  }
  size_t directory = b.size;
  for (int i = 0; i < n; i++) {
    const struct entry *entry = &entries[i];
    put(&b, "PK\1\2\24\0\24\0", 8);
    put_common(&b, entry, entry->central_size ? entry->central_size : entry->size);
    put_number(&b, strlen(entry->name), 2);
    put(&b, "\0\0\0\0\0\0\0\0\0\0\0", 12); /* no extra field or comment, first volume, no attributes */
    put_number(&b, entry->offset ? entry->offset - 1 : offsets[i], 4);
    put(&b, entry->name, strlen(entry->name));
  }
  size_t end = b.size;
  put(&b, "PK\5\6\0\0\0\0", 8);
  put_number(&b, (uint64_t)n, 2);
  put_number(&b, (uint64_t)n, 2);
  put_number(&b, end - directory, 4);
  put_number(&b, directory, 4);
  put_number(&b, 0, 2);
  return b;
}

/* The message of a file that must be refused. */
static const char *refusal(struct buffer file) {
  static error e;
  strcpy(e.message, "accepted");
  parse_copy(file.bytes, file.size, NULL, &e);
  free(file.bytes);
  return e.message;
}

/* Pickles by hand. Numbers are written K(5), in an argument list: shape ONE(K(2)), strides TWO(K(1), K(1)). */
#define K(octal) "K" octal
#define ONE(a) "(" a "t"
#define TWO(a, b) "(" a b "t"
#define TEXT1(text) "X\1\0\0\0" text
#define STORAGE(class, key, elements) "(X\7\0\0\0storagectorch\n" class "\n" TEXT1(key) "X\3\0\0\0cpu" elements "tQ"
#define TENSOR(storage, offset, shape, strides)                       \
  "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset shape strides \
  "\x89"                                                              \
  "Nt"                                                                \
  "R"
#define FOUR_FLOATS STORAGE("FloatStorage", "0", K("\4"))
#define GOOD_TENSOR TENSOR(FOUR_FLOATS, K("\0"), ONE(K("\4")), ONE(K("\1")))
#define PICKLE(text) "\x80\2" text ".", sizeof("\x80\2" text ".") - 1
#define MINUS_ONE "J\xff\xff\xff\xff"
#define HUGE_NUMBER "\x8a\10\0\0\0\0\0\0\0\x40" /* 2^62 */

static const float four_floats[4] = {1, 2, 3, 4};

static struct buffer with_pickle(const void *pickle, size_t size) {
  return make_zip((struct entry[]){{.name = "a/data.pkl", .data = pickle, .size = size},
                                   {.name = "a/data/0", .data = four_floats, .size = sizeof four_floats}},
                  2);
}

static const char *pickle_refusal(const char *pickle, size_t size) { return refusal(with_pickle(pickle, size)); }

TEST(pickle_by_hand) {
  struct buffer b = with_pickle(PICKLE("}" TEXT1("w") GOOD_TENSOR "s"));
  struct torch_file t;
  error e = {""};
  REQUIRE(torch_file_parse(&t, b.bytes, b.size, &e) == OK);
  CHECK(t.count == 1 && !strcmp(t.tensors[0].name, "w") && t.tensors[0].elements == 4);
  CHECK(!memcmp(t.tensors[0].data, four_floats, sizeof four_floats));
  torch_file_close(&t);
  free(b.bytes);
  /* Python 2's OrderedDict of pairs, and its strings. */
  CHECK_STRING(pickle_refusal(PICKLE("ccollections\nOrderedDict\n]]U\1w" GOOD_TENSOR "\x86"
                                     "aa\x85R")),
               "a dict is made of what is no pair");
  CHECK_STRING(pickle_refusal(PICKLE("ccollections\nOrderedDict\n]](U\1w" GOOD_TENSOR "ea\x85R")), "accepted");
}

TEST(pickle_runs_nothing) {
  static const struct {
    const char *pickle;
    size_t size;
    const char *message;
  } cases[] = {
      {PICKLE("cposix\nsystem\nX\7\0\0\0echo hi\x85R"),
       "the pickle asks for posix.system, which is not needed to describe tensors: refused"},
      {PICKLE("cbuiltins\neval\nX\1\0\0\0001\x85R"), "the pickle asks for builtins.eval, "},
      {PICKLE("cbuiltins\ngetattr\n"), "the pickle asks for builtins.getattr, "},
      {PICKLE("c__builtin__\nexec\n"), "the pickle asks for __builtin__.exec, "},
      {PICKLE("X\2\0\0\0osX\6\0\0\0system\x93"), "the pickle asks for os.system, "},
      {PICKLE("ctorch\nload\n"), "the pickle asks for torch.load, "},
      {PICKLE("ctorch.nn.modules.linear\nLinear\n)\x81}b"), "the pickle asks for torch.nn.modules.linear.Linear, "},
      {PICKLE("c__torch__evil\nx\n"), "the pickle asks for __torch__evil.x, "},
      {PICKLE("ctorch.FloatStorage\n__class__\n"), "the pickle asks for torch.FloatStorage.__class__, "},
      {PICKLE("c\x1b[2J\nb\n"), "the pickle asks for ?[2J.b, "},
      {PICKLE("ctorch\nFloatStorage\n)R"), "the pickle calls torch.FloatStorage, which describes no tensor: refused"},
      {PICKLE("ctorch\nTensor\n)\x81"), "the pickle calls torch.Tensor, "},
      {PICKLE("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\nN)NtR"),
       "the pickle calls torch._tensor._rebuild_from_type_v2, "},
      {PICKLE("ctorch._tensor\n_rebuild_from_type_v2\n)R"),
       "the pickle calls torch._tensor._rebuild_from_type_v2 with what describes no tensor: refused"},
      {PICKLE("X\1\0\0\0a)R"), "the pickle calls what is no function: refused"},
      {PICKLE("]}b"), "the pickle gives attributes to what holds none: refused"},
      {PICKLE("cargparse\nNamespace\n)\x81]b"), "the pickle gives an object a state of an unknown kind: refused"},
      {PICKLE("iposix\nsystem\n"), "0x69 is no operation that torch.save() writes"},
      {PICKLE("(I1\no"), "0x49 is no operation that torch.save() writes"},
      {PICKLE("\x82\1"), "0x82 is no operation that torch.save() writes"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_CONTAINS(pickle_refusal(cases[i].pickle, cases[i].size), cases[i].message);
}

TEST(pickle_damaged) {
  static const struct {
    const char *pickle;
    size_t size;
    const char *message;
  } cases[] = {
      {PICKLE(""), "an operation lacks a value"},
      {PICKLE("R"), "an operation lacks a value"},
      {PICKLE("N\x86"), "an operation lacks a value"},
      {PICKLE("(0"), "an operation lacks a value"},
      {PICKLE("(2"), "an operation lacks a value"},
      {PICKLE("(q\1"), "an operation lacks a value"},
      {PICKLE("N(\x86"), "an operation lacks a value"},
      {PICKLE("Nt"), "an operation lacks a mark"},
      {PICKLE("}(Nu"), "a key lacks its value"},
      {PICKLE("(Nd"), "a key lacks its value"},
      {PICKLE("NN}(NNe"), "items are added to what holds none"},
      {PICKLE("K\1Na"), "items are added to what holds none"},
      {PICKLE("h\0"), "it recalls a value that it never stored"},
      {PICKLE("Nq\2h\1"), "it recalls a value that it never stored"},
      {PICKLE("Nr\xff\xff\xff\x7f"), "it remembers a value under an absurd number"},
      {PICKLE("NN\x93"), "the name of a class or function is no string"},
      {PICKLE("\x80\6"), "a protocol later than 5"},
      {PICKLE("X\xff\xff\xff\xff"), "the pickle is cut off at byte"},
      {PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "the pickle is cut off at byte"},
      {PICKLE("ctorch"), "the pickle is cut off at byte"},
      {"\x80\2}", 3, "the pickle is cut off at byte 3"},
      {PICKLE("}"), "it holds no tensors"},
      {PICKLE("X\1\0\0\0aQ"), "refers to something outside that is no storage"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_CONTAINS(pickle_refusal(cases[i].pickle, cases[i].size), cases[i].message);
}

TEST(pickle_absurd_tensors) {
  static const struct {
    const char *pickle;
    size_t size;
    const char *message;
  } cases[] = {
#define CASE(tensor, message) {PICKLE("}" TEXT1("w") tensor "s"), message}
      CASE(GOOD_TENSOR, "accepted"),
      CASE(TENSOR(FOUR_FLOATS, K("\1"), ONE(K("\3")), ONE(K("\1"))), "accepted"),
      CASE(TENSOR(FOUR_FLOATS, K("\1"), ONE(K("\4")), ONE(K("\1"))),
           "tensor \"w\": its shape and strides reach beyond the 4 elements of its storage \"0\""),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(K("\5")), ONE(K("\1"))), "reach beyond"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(K("\3")), ONE(K("\2"))), "reach beyond"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(K("\2")), ONE(HUGE_NUMBER)), "reach beyond"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE("J\0\0\0\x40"), ONE(HUGE_NUMBER)), "reach beyond"),
      CASE(TENSOR(FOUR_FLOATS, HUGE_NUMBER, ONE(K("\1")), ONE(K("\1"))), "reach beyond"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), TWO(HUGE_NUMBER, K("\4")), TWO(K("\0"), K("\0"))), "too large to count"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(HUGE_NUMBER), ONE(K("\0"))), "too large to count"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), TWO("\x8a\5\0\0\0\0\1", K("\1")), TWO(K("\0"), K("\1"))),
           "it is no contiguous part of its storage, and its 17179869184 bytes are too many to copy"),
      CASE(TENSOR(FOUR_FLOATS, MINUS_ONE, ONE(K("\1")), ONE(K("\1"))), "a tensor begins at no place in its storage"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(MINUS_ONE), ONE(K("\1"))), "a tensor's size holds what is no size"),
      CASE(TENSOR(FOUR_FLOATS, K("\3"), ONE(K("\2")), ONE(MINUS_ONE)), "a tensor's stride holds what is no size"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE("N"), ONE(K("\1"))), "a tensor's size holds what is no size"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), ONE(K("\1")), ")"), "a tensor of 1 dimensions has no stride for each"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), "N", ")"), "a tensor's shape is none, or of more than 8 dimensions"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", ")"), "of more than 8 dimensions"),
      CASE(TENSOR("N", K("\0"), ")", ")"), "a tensor has no storage"),
      CASE("ctorch._utils\n_rebuild_tensor_v2\n)R", "a tensor lacks a part of its description"),
      CASE(TENSOR(STORAGE("FloatStorage", "1", K("\4")), K("\0"), ")", ")"),
           "tensor \"w\": its storage \"1\" is not in the file"),
      CASE(TENSOR(STORAGE("FloatStorage", "0", K("\5")), K("\0"), ")", ")"),
           "its storage \"0\" of 5 elements has only 16 bytes in the file"),
      CASE(TENSOR(STORAGE("DoubleStorage", "0", K("\4")), K("\0"), ")", ")"), "has only 16 bytes in the file"),
      CASE(TENSOR(STORAGE("FloatStorage", "0", HUGE_NUMBER), K("\0"), ")", ")"), "has only 16 bytes in the file"),
      CASE(TENSOR(STORAGE("FloatStorage", "0", MINUS_ONE), K("\0"), ")", ")"), "a storage has no key or no size"),
      CASE(TENSOR(STORAGE("Size", "0", K("\4")), K("\0"), ")", ")"), "a storage is of no class that is known"),
      CASE(TENSOR(STORAGE("UntypedStorage", "0", K("\4")), K("\0"), ")", ")"), "a tensor's storage has no dtype"),
      CASE(TENSOR(FOUR_FLOATS, K("\0"), TWO(K("\0"), HUGE_NUMBER), TWO(K("\1"), K("\1"))), "accepted"),
      {PICKLE("}" TEXT1("\0") GOOD_TENSOR "s"), "a tensor's name has a NUL inside"},
      {PICKLE("}(" TEXT1("w") GOOD_TENSOR TEXT1("w") GOOD_TENSOR "u"), "two tensors are called \"w\""},
#undef CASE
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    CHECK_CONTAINS(pickle_refusal(cases[i].pickle, cases[i].size), cases[i].message);
}

/* A list that holds itself; lists in lists; each list twice in the next, so that walking would never end. */
TEST(pickle_containers_in_circles) {
  CHECK_STRING(pickle_refusal(PICKLE("]q\1(h\1" GOOD_TENSOR "h\1e")), "accepted");
  CHECK_STRING(pickle_refusal(PICKLE("}q\1(" TEXT1("a") "h\1" TEXT1("b") GOOD_TENSOR "u")), "accepted");
  char pickle[400] = "\x80\2";
  memset(pickle + 2, ']', 100);
  memset(pickle + 102, 'a', 99);
  pickle[201] = '.';
  CHECK_CONTAINS(pickle_refusal(pickle, 202), "nested deeper than 64");
  size_t at = 2;
  pickle[at++] = ']';
  for (int i = 0; i < 60; i++) at += (size_t)(stpcpy(pickle + at, "2\x86") - (pickle + at));
  pickle[at++] = '.';
  CHECK_CONTAINS(pickle_refusal(pickle, at), "its containers hold more than");
}

TEST(pickle_without_end) {
  size_t size = 10 << 20;
  char *pickle = malloc(size);
  REQUIRE(pickle);
  memset(pickle, ']', size);
  CHECK_CONTAINS(pickle_refusal(pickle, size), "the pickle has more than 4194304 operations");
  free(pickle);
}

TEST(torch_file_errors_name_the_file) {
  struct buffer b = with_pickle(PICKLE("cposix\nsystem\nX\4\0\0\0true\x85R"));
  const char *path = path_join(test_folder(), "bad.pth");
  REQUIRE(write_file(path, b.bytes, b.size));
  free(b.bytes);
  char expected[600];
  snprintf(expected, sizeof expected,
           "%s: the pickle asks for posix.system, which is not needed to describe tensors: refused", path);
  struct torch_file t;
  error e = {""};
  CHECK(torch_file_open(&t, path, &e) == FAILED);
  CHECK_STRING(e.message, expected);
}

/* ---- archives that lie ---- */

#define WHOLE_PICKLE PICKLE("}" TEXT1("w") GOOD_TENSOR "s")

static const char *entry_refusal(struct entry storage) {
  static const struct {
    const char *bytes;
    size_t size;
  } good = {WHOLE_PICKLE};
  struct entry entries[2] = {{.name = "a/data.pkl", .data = good.bytes, .size = good.size}, storage};
  if (!storage.name) entries[1].name = "a/data/0";
  if (!storage.data) {
    entries[1].data = four_floats;
    entries[1].size = sizeof four_floats;
  }
  return refusal(make_zip(entries, 2));
}

TEST(zip_lies_are_refused) {
  CHECK_STRING(entry_refusal((struct entry){0}), "accepted");
  CHECK_STRING(entry_refusal((struct entry){.method = 8}),
               "zip entry \"a/data/0\": it is compressed, which torch.save() never does");
  CHECK_STRING(entry_refusal((struct entry){.flags = 1}),
               "zip entry \"a/data/0\": it is encrypted, which torch.save() never does");
  CHECK_STRING(entry_refusal((struct entry){.local_size = 12}),
               "zip entry \"a/data/0\": its header says 12 bytes, the directory 16");
  CHECK_STRING(entry_refusal((struct entry){.central_size = 8}),
               "zip entry \"a/data/0\": its header says 16 bytes, the directory 8");
  CHECK_STRING(entry_refusal((struct entry){.central_size = 1000, .local_size = 1000}),
               "zip entry \"a/data/0\": its data lies outside the file");
  CHECK_STRING(entry_refusal((struct entry){.central_size = 0xffffffff, .local_size = 0xffffffff}),
               "zip entry \"a/data/0\": its 64-bit size is missing");
  CHECK_STRING(entry_refusal((struct entry){.local_name = "b/data/0"}),
               "zip entry \"a/data/0\": its header has another name than the directory");
  CHECK_STRING(entry_refusal((struct entry){.offset = 5}),
               "zip entry \"a/data/0\": its header is not where the directory says");
  CHECK_STRING(entry_refusal((struct entry){.offset = 1 << 30}),
               "zip entry \"a/data/0\": its header is not where the directory says");
  CHECK_STRING(entry_refusal((struct entry){.name = "a/data.pkl"}), "zip entry \"a/data.pkl\": the name stands twice");
  CHECK_STRING(entry_refusal((struct entry){.name = "a/data/\n"}),
               "a damaged zip archive: the name before byte 314 is not printable");
  CHECK_STRING(entry_refusal((struct entry){.name = "a/data/00"}),
               "tensor \"w\": its storage \"0\" is not in the file");
  CHECK_STRING(entry_refusal((struct entry){.name = "a/byteorder"}), "its numbers are stored big-endian");
}

TEST(zip_overlaps_are_refused) {
  /* The second entry's header stands inside the data of the first. */
  struct buffer inner = make_zip((struct entry[]){{.name = "a/data/1", .data = four_floats, .size = 16}}, 1);
  struct buffer outer = make_zip((struct entry[]){{.name = "a/data/0", .data = inner.bytes, .size = inner.size},
                                                  {.name = "a/data/1", .data = four_floats, .size = 16, .offset = 39}},
                                 2);
  free(inner.bytes);
  CHECK_STRING(refusal(outer), "zip entry \"a/data/1\": it overlaps \"a/data/0\"");
}

TEST(zip_other_archives) {
  struct buffer b = make_zip((struct entry[]){{.name = "word/document.xml", .data = "x", .size = 1}}, 1);
  CHECK_STRING(refusal(b), "a zip archive without data.pkl: not written by torch.save()");
  b = make_zip(NULL, 0);
  CHECK_STRING(refusal(b), "a zip archive without data.pkl: not written by torch.save()");
  b = make_zip(NULL, 0);
  b.bytes[4] = 1;
  CHECK_STRING(refusal(b), "a zip archive in several volumes");
  b = make_zip(NULL, 0);
  b.bytes[8] = b.bytes[10] = 200;
  CHECK_STRING(refusal(b), "a damaged zip archive: 200 entries in a directory of 0 bytes");
  b = make_zip(NULL, 0);
  b.bytes[16] = 1;
  CHECK_STRING(refusal(b), "a damaged zip archive: its directory lies outside the file");
}

/* ---- the older format ---- */

static const char *old_refusal(const char *object, size_t object_size, const char *tail, size_t tail_size) {
  static const char start[] =
      "\x80\2\x8a\nl\xfc\x9c"
      "F\xf9 j\xa8P\x19.\x80\2M\xe9\3.\x80\2}.";
  struct buffer b = {malloc(sizeof start + object_size + tail_size), 0};
  if (!b.bytes) abort();
  put(&b, start, sizeof start - 1);
  put(&b, object, object_size);
  put(&b, tail, tail_size);
  return refusal(b);
}

#define KEYS(keys) "\x80\2](" keys "e."
#define SIZED(text) text, sizeof(text) - 1
#define FOUR_ELEMENTS \
  "\4\0\0\0\0\0\0\0"  \
  "0123456789abcdef"

TEST(old_format_is_checked) {
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS(TEXT1("0")) FOUR_ELEMENTS)), "accepted");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS(TEXT1("0")) "\5\0\0\0\0\0\0\0"
                                                                "0123456789abcdef")),
               "storage \"0\": 5 elements, where its tensors expect 4");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS(TEXT1("0")) "\4\0\0\0\0\0\0\0"
                                                                "0123456789abcde")),
               "storage \"0\": its 4 elements are cut off at byte 170");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS(TEXT1("1")) FOUR_ELEMENTS)),
               "storage \"1\": no tensor says what it holds");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS("") FOUR_ELEMENTS)),
               "tensor \"w\": its storage \"0\" is not in the file");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED(KEYS("K\1") FOUR_ELEMENTS)), "the key of a storage is no string");
  CHECK_STRING(old_refusal(WHOLE_PICKLE, SIZED("\x80\2}.")), "its list of storages is no list");
  /* A storage that is elements 1 and 2 of another, as torch 0.4 wrote it. */
#define PART(first, count)                                                                                     \
  TENSOR("(X\7\0\0\0storagectorch\nFloatStorage\n" TEXT1("0") "X\3\0\0\0cpuK\4(" TEXT1("9") first count "ttQ", \
         K("\0"), ONE(K("\2")), ONE(K("\1")))
  CHECK_STRING(old_refusal(PICKLE("}" TEXT1("w") PART(K("\1"), K("\2")) "s"), SIZED(KEYS(TEXT1("0")) FOUR_ELEMENTS)),
               "accepted");
  CHECK_CONTAINS(old_refusal(PICKLE("}" TEXT1("w") PART(K("\2"), K("\1")) "s"), SIZED(KEYS(TEXT1("0")) FOUR_ELEMENTS)),
                 "reach beyond the 1 elements");
  CHECK_CONTAINS(old_refusal(PICKLE("}" TEXT1("w") PART(K("\3"), K("\2")) "s"), SIZED(KEYS(TEXT1("0")) FOUR_ELEMENTS)),
                 "a storage is no part of the one that it belongs to");
}
