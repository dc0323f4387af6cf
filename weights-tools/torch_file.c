#include "weights-tools/torch_file.h"

#include <stdlib.h>
#include <string.h>

#include "weights-tools/little_endian.h"
#include "weights-tools/torch_internal.h"
#include "weights-tools/zip.h"

void torch_file_close(struct torch_file *t) {
  torch_free_tensors(t);
  file_close(&t->file);
}

/* ---- the zip archive ---- */

static const char pickle_name[] = "/data.pkl", storages_name[] = "/data/", order_name[] = "/byteorder";

static bool ends_with(const struct zip_entry *entry, const char *end) {
  size_t tail = strlen(end);
  return entry->name_length >= tail && !memcmp(entry->name + entry->name_length - tail, end, tail);
}

/* PREFIX/data.pkl with the shortest prefix: a file of a TorchScript module may end so too. */
static const struct zip_entry *find_pickle(const struct zip *zip) {
  const struct zip_entry *best = NULL;
  for (size_t i = 0; i < zip->count; i++) {
    const struct zip_entry *entry = &zip->entries[i];
    if (ends_with(entry, pickle_name) && (!best || entry->name_length < best->name_length)) best = entry;
  }
  return best;
}

/* The rest of an entry's name behind PREFIX, when it continues so; NULL otherwise. */
static const char *behind(const struct zip_entry *entry, const struct zip_entry *pickle, const char *middle) {
  size_t prefix = pickle->name_length - (sizeof pickle_name - 1), length = strlen(middle);
  if (entry->name_length < prefix + length || memcmp(entry->name, pickle->name, prefix) != 0) return NULL;
  return memcmp(entry->name + prefix, middle, length) ? NULL : entry->name + prefix + length;
}

/* The entries of storages, in the order of their keys since the archive's are sorted by name. */
static int list_entries(struct torch_storage *storages, size_t *count, const struct zip *zip,
                        const struct zip_entry *pickle, error *e) {
  for (size_t i = 0; i < zip->count; i++) {
    const struct zip_entry *entry = &zip->entries[i];
    if (behind(entry, pickle, order_name) && (entry->size != 6 || memcmp(entry->data, "little", 6) != 0))
      return fail(e, "its numbers are stored big-endian");
    const char *key = behind(entry, pickle, storages_name);
    if (!key) continue;
    if (zip_check_stored(entry, e) != OK) return FAILED;
    size_t key_length = entry->name_length - (size_t)(key - entry->name);
    storages[(*count)++] = (struct torch_storage){key, key_length, entry->data, entry->size};
  }
  return OK;
}

static int take_archive(struct torch_file *t, const struct zip *zip, size_t size, error *e) {
  const struct zip_entry *entry = find_pickle(zip);
  if (!entry) return fail(e, "a zip archive without data.pkl: not written by torch.save()");
  if (zip_check_stored(entry, e) != OK) return FAILED;
  struct torch_storage *storages = allocate(zip->count, sizeof *storages, e);
  if (!storages) return FAILED;
  size_t count = 0;
  struct pickle pickle = {0};
  int status = list_entries(storages, &count, zip, entry, e);
  if (status == OK) status = unpickle(&pickle, entry->data, entry->size, e);
  if (status == OK) status = torch_take_tensors(t, pickle.root, storages, count, size, e);
  pickle_free(&pickle);
  free(storages);
  return status;
}

/* ---- the older file ---- */

enum { OLD_PROTOCOL = 1001, FRAME = 9 /* bytes of the operation that later pickles begin with */ };
/* LONG1 of 10 bytes: the magic number 0x1950a86a20f9469cfc6c. */
static const uint8_t old_magic[] = {0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};

static bool begins_as_old(const uint8_t *bytes, size_t size) {
  if (size < 2 + FRAME + sizeof old_magic || bytes[0] != 0x80 || bytes[1] < 2 || bytes[1] > 5) return false;
  size_t at = bytes[2] == 0x95 ? 2 + FRAME : 2;
  return !memcmp(bytes + at, old_magic, sizeof old_magic);
}

struct cursor {
  const uint8_t *bytes;
  size_t size, at;
};

static int read_pickle(struct pickle *pickle, struct cursor *cursor, error *e) {
  if (unpickle(pickle, cursor->bytes + cursor->at, cursor->size - cursor->at, e) != OK) return FAILED;
  cursor->at += pickle->size;
  return OK;
}

/* Magic number, protocol, and facts about the writer. */
static int read_preamble(struct cursor *cursor, error *e) {
  for (int i = 0; i < 3; i++) {
    struct pickle pickle;
    if (read_pickle(&pickle, cursor, e) != OK) return FAILED;
    const struct pickled *order = pickled_get(pickle.root, "little_endian");
    int status = OK;
    if (i == 1 && (pickle.root->type != PICKLED_INTEGER || pickle.root->integer != OLD_PROTOCOL))
      status = fail(e, "a protocol of torch.save() that is not known");
    if (i == 2 && order && order->type == PICKLED_INTEGER && order->integer == 0)
      status = fail(e, "its numbers are stored big-endian");
    pickle_free(&pickle);
    if (status != OK) return FAILED;
  }
  return OK;
}

static int compare_pickled(const void *a, const void *b) {
  const struct pickled_storage *x = *(const struct pickled_storage *const *)a;
  const struct pickled_storage *y = *(const struct pickled_storage *const *)b;
  struct torch_storage first = {.key = x->key, .key_length = x->key_length};
  struct torch_storage second = {.key = y->key, .key_length = y->key_length};
  return torch_compare_storages(&first, &second);
}

/* The data of the storage with this key follow at the cursor; the object's pickle knows their dtype. */
static int read_storage(struct torch_storage *place, struct cursor *cursor, const struct pickle *object,
                        const struct pickled *key, error *e) {
  if (key->type != PICKLED_STRING) return fail(e, "the key of a storage is no string");
  struct pickled_storage wanted = {.key = key->text, .key_length = key->length};
  const struct pickled_storage *pointer = &wanted, *const *found = NULL;
  if (object->storage_count > 0)
    found = bsearch(&pointer, object->storages, object->storage_count, sizeof *found, compare_pickled);
  int shown = key->length < 100 ? (int)key->length : 100;
  if (!found) return fail(e, "storage \"%.*s\": no tensor says what it holds", shown, key->text);
  size_t left = cursor->size - cursor->at, size = (*found)->typed ? dtype_size((*found)->dtype) : 1, bytes;
  if (left < 8) return fail(e, "storage \"%.*s\": cut off at byte %zu", shown, key->text, cursor->size);
  uint64_t elements = read_little_endian(cursor->bytes + cursor->at, 8);
  if (elements != (uint64_t)(*found)->elements) {
    return fail(e, "storage \"%.*s\": %llu elements, where its tensors expect %lld", shown, key->text,
                (unsigned long long)elements, (long long)(*found)->elements);
  }
  if (!multiply_size((size_t)elements, size, &bytes) || bytes > left - 8) {
    return fail(e, "storage \"%.*s\": its %llu elements are cut off at byte %zu", shown, key->text,
                (unsigned long long)elements, cursor->size);
  }
  *place = (struct torch_storage){key->text, key->length, cursor->bytes + cursor->at + 8, bytes};
  cursor->at += 8 + bytes;
  return OK;
}

static int read_storages(struct torch_storage *storages, struct cursor *cursor, const struct pickle *object,
                         const struct pickled *keys, error *e) {
  if (object->storage_count > 0)
    qsort(object->storages, object->storage_count, sizeof *object->storages, compare_pickled);
  for (size_t i = 0; i < keys->count; i++) {
    if (read_storage(&storages[i], cursor, object, keys->items[i], e) != OK) return FAILED;
  }
  qsort(storages, keys->count, sizeof *storages, torch_compare_storages);
  return OK;
}

static int take_old(struct torch_file *t, const uint8_t *bytes, size_t size, error *e) {
  struct cursor cursor = {.bytes = bytes, .size = size};
  struct pickle object = {0}, keys = {0};
  struct torch_storage *storages = NULL;
  int status = read_preamble(&cursor, e);
  if (status == OK) status = read_pickle(&object, &cursor, e);
  if (status == OK) status = read_pickle(&keys, &cursor, e);
  if (status == OK && keys.root->type != PICKLED_SEQUENCE) status = fail(e, "its list of storages is no list");
  if (status == OK && !(storages = allocate(keys.root->count, sizeof *storages, e))) status = FAILED;
  if (status == OK) status = read_storages(storages, &cursor, &object, keys.root, e);
  if (status == OK) status = torch_take_tensors(t, object.root, storages, keys.root->count, size, e);
  free(storages);
  pickle_free(&keys);
  pickle_free(&object);
  return status;
}

/* ---- either ---- */

static bool begins_as_archive(const uint8_t *bytes, size_t size) { return size >= 4 && !memcmp(bytes, "PK\3\4", 4); }

bool torch_file_recognises(const uint8_t *bytes, size_t size) {
  return begins_as_archive(bytes, size) || begins_as_old(bytes, size);
}

int torch_file_parse(struct torch_file *t, const uint8_t *bytes, size_t size, error *e) {
  *t = (struct torch_file){0};
  if (begins_as_old(bytes, size)) return take_old(t, bytes, size, e);
  struct zip zip;
  if (zip_parse(&zip, bytes, size, e) != OK) return FAILED;
  int status = take_archive(t, &zip, size, e);
  zip_free(&zip);
  return status;
}

int torch_file_open(struct torch_file *t, const char *path, error *e) {
  *t = (struct torch_file){0};
  struct file_view file;
  if (file_open(&file, path, e) != OK) return FAILED;
  if (torch_file_parse(t, file.bytes, file.size, e) != OK) {
    file_close(&file);
    return fail_within(e, "%s", path);
  }
  t->file = file;
  return OK;
}
