/* Tar archives, built block by block. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate/dataset_parts.h"
#include "tests/harness.h"

struct archive {
  uint8_t bytes[64 * 512];
  size_t size;
};

static void set_checksum(uint8_t *header) {
  unsigned sum = 0;
  memset(header + 148, ' ', 8);
  for (int i = 0; i < 512; i++) sum += header[i];
  snprintf((char *)header + 148, 8, "%06o", sum);
}

/* One member; returns its header, for a test to spoil (and to set_checksum() again). */
static uint8_t *add(struct archive *archive, char type, const char *name, const void *data, size_t size) {
  uint8_t *header = archive->bytes + archive->size;
  memset(header, 0, 512);
  memcpy(header, name, strlen(name) > 100 ? 100 : strlen(name));
  snprintf((char *)header + 124, 12, "%011o", (unsigned)size & 0777777777u);
  header[156] = (uint8_t)type;
  memcpy(header + 257,
         "ustar\0"
         "00",
         8);
  set_checksum(header);
  archive->size += 512;
  if (size) memcpy(archive->bytes + archive->size, data, size);
  archive->size += (size + 511) / 512 * 512;
  return header;
}

static struct archive *start(void) { return calloc(1, sizeof(struct archive)); }

static int list(struct listing *listing, const struct archive *archive, error *e) {
  *listing = (struct listing){0};
  return tar_list(listing, archive->bytes, archive->size, e);
}

TEST(tar_lists_members_of_every_kind) {
  struct archive *a = start();
  struct listing l;
  error e = {""};
  add(a, '5', "./top/", NULL, 0);
  add(a, '0', "./top//a.jpg", "one", 3);
  uint8_t *old = add(a, 0, "top/b.jpg", "four", 4);
  memset(old + 257, 0, 8); /* V7: no magic */
  set_checksum(old);
  uint8_t *prefixed = add(a, '0', "c.jpg", "", 0);
  memcpy(prefixed + 345, "some/prefix", 11);
  set_checksum(prefixed);
  add(a, '2', "link", NULL, 0);
  char longer[300];
  memset(longer, 'n', 299);
  longer[299] = 0;
  add(a, 'L', "././@LongLink", longer, 300);
  add(a, '0', "short", "x", 1);
  add(a, 'x', "PaxHeaders/d", "19 path=pax/name.p\n13 mtime=1.5\n", 32);
  uint8_t *large = add(a, '0', "d", "yy", 2);
  memset(large + 124, 0, 12);
  large[124] = 0x80; /* GNU's base 256 */
  large[135] = 2;
  set_checksum(large);
  a->size += 1024; /* the two zero blocks */
  REQUIRE(list(&l, a, &e) == OK);
  REQUIRE(l.count == 6);
  CHECK(l.special == 1);
  CHECK(l.entries[0].folder);
  CHECK_STRING(l.entries[0].path, "top");
  CHECK_STRING(l.entries[1].path, "top/a.jpg");
  CHECK(l.entries[1].size == 3 && !memcmp(l.entries[1].bytes, "one", 3));
  CHECK_STRING(l.entries[2].path, "top/b.jpg");
  CHECK_STRING(l.entries[3].path, "some/prefix/c.jpg");
  CHECK_STRING(l.entries[4].path, longer);
  CHECK_STRING(l.entries[5].path, "pax/name.p");
  CHECK(l.entries[5].size == 2);
  listing_free(&l);
  free(a);
}

TEST(tar_takes_the_size_from_pax) {
  struct archive *a = start();
  struct listing l;
  error e = {""};
  add(a, 'x', "p", "9 size=3\n", 9);
  uint8_t *member = add(a, '0', "a", "abc", 3);
  memcpy(member + 124, "00000000000", 12);
  set_checksum(member);
  add(a, '0', "b", "d", 1);
  REQUIRE(list(&l, a, &e) == OK);
  REQUIRE(l.count == 2);
  CHECK(l.entries[0].size == 3 && l.entries[1].size == 1);
  listing_free(&l);
  free(a);
}

TEST(tar_refuses_what_is_broken) {
  struct listing l;
  error e = {""};
  struct archive *a = start();
  add(a, '0', "a.jpg", "abc", 3)[0] ^= 1;
  CHECK(list(&l, a, &e) == FAILED);
  CHECK_CONTAINS(e.message, "wrong checksum at byte 0");
  listing_free(&l);

  a->size = 0;
  uint8_t *header = add(a, '0', "a.jpg", "abc", 3);
  a->size = 512 + 2;
  CHECK(list(&l, a, &e) == FAILED);
  CHECK_CONTAINS(e.message, "the member at byte 0 has 2 of 3 bytes");
  listing_free(&l);

  memcpy(header + 124, "0000000000x", 11);
  set_checksum(header);
  CHECK(list(&l, a, &e) == FAILED);
  CHECK_CONTAINS(e.message, "unreadable size");
  listing_free(&l);

  memset(header + 124, 0xff, 12);
  set_checksum(header);
  CHECK(list(&l, a, &e) == FAILED);
  listing_free(&l);

  static const char *const records[] = {"99 path=a\n", "path=a\n", "9 path=ab\n", "7 path\n", "11 size=-1x\n", "0 \n"};
  for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
    a->size = 0;
    add(a, 'x', "p", records[i], strlen(records[i]));
    add(a, '0', "a.jpg", "abc", 3);
    CHECK_MSG(list(&l, a, &e) == FAILED, "%s", records[i]);
    CHECK_CONTAINS(e.message, "pax header");
    listing_free(&l);
  }

  a->size = 0;
  add(a, 'S', "sparse", NULL, 0);
  CHECK(list(&l, a, &e) == FAILED);
  CHECK_CONTAINS(e.message, "sparse");
  listing_free(&l);
  a->size = 100;
  CHECK(list(&l, a, &e) == FAILED);
  CHECK_CONTAINS(e.message, "too short");
  listing_free(&l);
  free(a);
}
