#include "weights-tools/unpickle.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/little_endian.h"
#include "weights-tools/unpickle_internal.h"
#include "weights-tools/utf8.h"

/* The operations, by their names in Python's pickletools.py. Those of protocols 0 and 1 that later ones replace, and
 * extension codes, are not here. */
enum operation {
  OP_MARK = '(',
  OP_STOP = '.',
  OP_POP = '0',
  OP_POP_MARK = '1',
  OP_DUP = '2',
  OP_BINBYTES = 'B',
  OP_SHORT_BINBYTES = 'C',
  OP_BINFLOAT = 'G',
  OP_BININT = 'J',
  OP_BININT1 = 'K',
  OP_BININT2 = 'M',
  OP_NONE = 'N',
  OP_BINPERSID = 'Q',
  OP_REDUCE = 'R',
  OP_BINSTRING = 'T',
  OP_SHORT_BINSTRING = 'U',
  OP_BINUNICODE = 'X',
  OP_EMPTY_LIST = ']',
  OP_APPEND = 'a',
  OP_BUILD = 'b',
  OP_GLOBAL = 'c',
  OP_DICT = 'd',
  OP_APPENDS = 'e',
  OP_BINGET = 'h',
  OP_LONG_BINGET = 'j',
  OP_LIST = 'l',
  OP_BINPUT = 'q',
  OP_LONG_BINPUT = 'r',
  OP_SETITEM = 's',
  OP_TUPLE = 't',
  OP_SETITEMS = 'u',
  OP_EMPTY_DICT = '}',
  OP_EMPTY_TUPLE = ')',
  OP_PROTO = 0x80,
  OP_NEWOBJ,
  OP_TUPLE1 = 0x85,
  OP_TUPLE2,
  OP_TUPLE3,
  OP_NEWTRUE,
  OP_NEWFALSE,
  OP_LONG1,
  OP_LONG4,
  OP_SHORT_BINUNICODE,
  OP_BINUNICODE8,
  OP_BINBYTES8,
  OP_EMPTY_SET,
  OP_ADDITEMS,
  OP_FROZENSET,
  OP_NEWOBJ_EX,
  OP_STACK_GLOBAL,
  OP_MEMOIZE,
  OP_FRAME,
  OP_BYTEARRAY8
};

enum { MAX_PROTOCOL = 5 };

struct machine {
  const uint8_t *bytes;
  size_t size, at, steps;
  struct pickled **stack;
  size_t depth, stack_capacity;
  struct pickled **memo;
  size_t memo_count, memo_capacity;
  struct pickle *pickle;
  struct pickled *inert, *mark; /* one of each is enough */
  error *e;
};

static int damaged(const struct machine *m, const char *what) {
  return fail(m->e, "the pickle is damaged at byte %zu: %s", m->at, what);
}

/* ---- bytes, stack and memo ---- */

/* The next n bytes, or NULL with a message. */
static const uint8_t *take(struct machine *m, uint64_t n) {
  if (n > m->size - m->at) {
    fail(m->e, "the pickle is cut off at byte %zu", m->size);
    return NULL;
  }
  const uint8_t *taken = m->bytes + m->at;
  m->at += (size_t)n;
  return taken;
}

static int take_number(struct machine *m, int bytes, uint64_t *number) {
  const uint8_t *taken = take(m, (uint64_t)bytes);
  if (!taken) return FAILED;
  *number = read_little_endian(taken, bytes);
  return OK;
}

/* NULL values come from failed calls, whose message stands already. */
static int push(struct machine *m, struct pickled *value) {
  if (!value) return FAILED;
  if (grow((void **)&m->stack, &m->stack_capacity, m->depth, sizeof *m->stack, m->e) != OK) return FAILED;
  m->stack[m->depth++] = value;
  return OK;
}

/* The value on top of the stack, or NULL with a message. */
static struct pickled *top(struct machine *m) {
  if (m->depth > 0 && m->stack[m->depth - 1]->type != PICKLED_MARK) return m->stack[m->depth - 1];
  damaged(m, "an operation lacks a value");
  return NULL;
}

static struct pickled *pop(struct machine *m) {
  struct pickled *value = top(m);
  if (value) m->depth--;
  return value;
}

/* Take the mark and all above it off the stack; they stay readable at *values until the next push. */
static int pop_to_mark(struct machine *m, struct pickled ***values, size_t *n) {
  size_t at = m->depth;
  while (at > 0 && m->stack[at - 1]->type != PICKLED_MARK) at--;
  if (at == 0) return damaged(m, "an operation lacks a mark");
  *values = m->stack + at;
  *n = m->depth - at;
  m->depth = at - 1;
  return OK;
}

/* Python numbers its entries one by one, so that there are fewer than operations. */
static int memo_put(struct machine *m, uint64_t index) {
  struct pickled *value = top(m);
  if (!value) return FAILED;
  if (index >= m->steps) return damaged(m, "it remembers a value under an absurd number");
  while (m->memo_count <= index) {
    if (grow((void **)&m->memo, &m->memo_capacity, m->memo_count, sizeof *m->memo, m->e) != OK) return FAILED;
    m->memo[m->memo_count++] = NULL;
  }
  m->memo[index] = value;
  return OK;
}

static int memo_get(struct machine *m, uint64_t index) {
  if (index >= m->memo_count || !m->memo[index]) return damaged(m, "it recalls a value that it never stored");
  return push(m, m->memo[index]);
}

/* ---- numbers, strings ---- */

static int push_integer(struct machine *m, int64_t integer) {
  struct pickled *value = pickle_value(m->pickle, PICKLED_INTEGER, m->e);
  if (value) value->integer = integer;
  return push(m, value);
}

/* Two's complement of n bytes. */
static int64_t sign_extend(uint64_t number, int n) {
  if (n == 0) return 0;
  uint64_t sign = (uint64_t)1 << (8 * n - 1);
  return (int64_t)((number ^ sign) - sign);
}

static int push_long(struct machine *m, int length_bytes) {
  uint64_t length;
  if (take_number(m, length_bytes, &length) != OK) return FAILED;
  const uint8_t *bytes = take(m, length);
  if (!bytes) return FAILED;
  if (length > 8) return push(m, m->inert);
  return push_integer(m, sign_extend(read_little_endian(bytes, (int)length), (int)length));
}

static int push_string(struct machine *m, int length_bytes) {
  uint64_t length;
  if (take_number(m, length_bytes, &length) != OK) return FAILED;
  const char *text = (const char *)take(m, length);
  if (!text) return FAILED;
  for (size_t at = 0, step; at < length; at += step) {
    step = utf8_sequence(text + at, (size_t)length - at);
    if (step == 0) return push(m, m->inert); /* bytes, or text in another code: no name of a tensor */
  }
  struct pickled *value = pickle_value(m->pickle, PICKLED_STRING, m->e);
  if (value) {
    value->text = text;
    value->length = (size_t)length;
  }
  return push(m, value);
}

static int skip_bytes(struct machine *m, int length_bytes) {
  uint64_t length;
  if (take_number(m, length_bytes, &length) != OK || !take(m, length)) return FAILED;
  return push(m, m->inert);
}

/* ---- containers ---- */

static int push_container(struct machine *m, enum pickled_type type, struct pickled *const *values, size_t n) {
  struct pickled *container = pickle_value(m->pickle, type, m->e);
  if (!container || pickle_append(m->pickle, container, values, n, m->e) != OK) return FAILED;
  return push(m, container);
}

static int push_marked(struct machine *m, enum pickled_type type) {
  struct pickled **values;
  size_t n;
  if (pop_to_mark(m, &values, &n) != OK) return FAILED;
  if (type == PICKLED_INERT) return push(m, m->inert);
  if (type == PICKLED_DICT && n % 2) return damaged(m, "a key lacks its value");
  return push_container(m, type, values, n);
}

static int push_tuple(struct machine *m, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (m->depth <= i || m->stack[m->depth - 1 - i]->type == PICKLED_MARK)
      return damaged(m, "an operation lacks a value");
  }
  m->depth -= n;
  return push_container(m, PICKLED_SEQUENCE, m->stack + m->depth, n);
}

/* Add n values to the container below them, whose type must be this; one that is inert swallows them. */
static int add_items(struct machine *m, enum pickled_type type, size_t n) {
  struct pickled *const *values = m->stack + m->depth;
  struct pickled *container = top(m);
  if (!container) return FAILED;
  if (container->type == PICKLED_INERT) return OK;
  if (container->type != type) return damaged(m, "items are added to what holds none");
  if (type == PICKLED_DICT && n % 2) return damaged(m, "a key lacks its value");
  return pickle_append(m->pickle, container, values, n, m->e);
}

static int add_marked(struct machine *m, enum pickled_type type) {
  struct pickled **values;
  size_t n;
  if (pop_to_mark(m, &values, &n) != OK) return FAILED;
  memmove(m->stack + m->depth, values, n * sizeof *values); /* over the mark: directly above their container */
  return add_items(m, type, n);
}

static int add_last(struct machine *m, enum pickled_type type, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (!pop(m)) return FAILED;
  }
  return add_items(m, type, n);
}

/* ---- classes, functions, storages ---- */

/* Two lines of text: module and name. */
static int push_global(struct machine *m) {
  const char *parts[2];
  size_t lengths[2];
  for (int i = 0; i < 2; i++) {
    parts[i] = (const char *)m->bytes + m->at;
    const char *end = memchr(parts[i], '\n', m->size - m->at);
    if (!end) return fail(m->e, "the pickle is cut off at byte %zu", m->size);
    lengths[i] = (size_t)(end - parts[i]);
    m->at += lengths[i] + 1;
  }
  return push(m, pickle_find_global(m->pickle, parts[0], lengths[0], parts[1], lengths[1], m->e));
}

static int push_stack_global(struct machine *m) {
  struct pickled *name = pop(m), *module = name ? pop(m) : NULL;
  if (!module) return FAILED;
  if (name->type != PICKLED_STRING || module->type != PICKLED_STRING)
    return damaged(m, "the name of a class or function is no string");
  return push(m, pickle_find_global(m->pickle, module->text, module->length, name->text, name->length, m->e));
}

/* Both f(*arguments) and class.__new__(class, *arguments, **keywords). */
static int push_call(struct machine *m, bool keywords) {
  if (keywords && !pop(m)) return FAILED;
  struct pickled *arguments = pop(m), *function = arguments ? pop(m) : NULL;
  if (!function) return FAILED;
  return push(m, pickle_call(m->pickle, function, arguments, &m->steps, m->e));
}

static int build(struct machine *m) {
  struct pickled *state = pop(m), *object = state ? top(m) : NULL;
  return object ? pickle_build(m->pickle, object, state, &m->steps, m->e) : FAILED;
}

static int push_storage(struct machine *m) {
  struct pickled *identifier = pop(m);
  return identifier ? push(m, pickle_find_storage(m->pickle, identifier, m->e)) : FAILED;
}

/* ---- the machine ---- */

static int check_protocol(struct machine *m) {
  uint64_t protocol;
  if (take_number(m, 1, &protocol) != OK) return FAILED;
  return protocol <= MAX_PROTOCOL ? OK : damaged(m, "a protocol later than 5");
}

static int use_memo(struct machine *m, int index_bytes, bool put) {
  uint64_t index;
  if (take_number(m, index_bytes, &index) != OK) return FAILED;
  return put ? memo_put(m, index) : memo_get(m, index);
}

static int push_small_integer(struct machine *m, int bytes) {
  uint64_t number;
  if (take_number(m, bytes, &number) != OK) return FAILED;
  return push_integer(m, bytes == 4 ? sign_extend(number, 4) : (int64_t)number);
}

static int pop_marked(struct machine *m) {
  struct pickled **values;
  size_t n;
  return pop_to_mark(m, &values, &n);
}

/* One operation other than STOP. */
static int step(struct machine *m, enum operation operation) {
  switch (operation) {
    case OP_PROTO:
      return check_protocol(m);
    case OP_FRAME:
      return take(m, 8) ? OK : FAILED; /* a hint about reading ahead */
    case OP_MARK:
      return push(m, m->mark);
    case OP_POP:
      return pop(m) ? OK : FAILED;
    case OP_POP_MARK:
      return pop_marked(m);
    case OP_DUP:
      return push(m, top(m));
    case OP_BINPUT:
      return use_memo(m, 1, true);
    case OP_LONG_BINPUT:
      return use_memo(m, 4, true);
    case OP_MEMOIZE:
      return memo_put(m, m->memo_count);
    case OP_BINGET:
      return use_memo(m, 1, false);
    case OP_LONG_BINGET:
      return use_memo(m, 4, false);

    case OP_NONE:
      return push(m, m->inert);
    case OP_NEWTRUE:
      return push_integer(m, 1);
    case OP_NEWFALSE:
      return push_integer(m, 0);
    case OP_BININT1:
      return push_small_integer(m, 1);
    case OP_BININT2:
      return push_small_integer(m, 2);
    case OP_BININT:
      return push_small_integer(m, 4);
    case OP_LONG1:
      return push_long(m, 1);
    case OP_LONG4:
      return push_long(m, 4);
    case OP_BINFLOAT:
      return take(m, 8) ? push(m, m->inert) : FAILED;
    case OP_SHORT_BINSTRING:
    case OP_SHORT_BINUNICODE:
      return push_string(m, 1);
    case OP_BINSTRING:
    case OP_BINUNICODE:
      return push_string(m, 4);
    case OP_BINUNICODE8:
      return push_string(m, 8);
    case OP_SHORT_BINBYTES:
      return skip_bytes(m, 1);
    case OP_BINBYTES:
      return skip_bytes(m, 4);
    case OP_BINBYTES8:
    case OP_BYTEARRAY8:
      return skip_bytes(m, 8);

    case OP_EMPTY_TUPLE:
    case OP_EMPTY_LIST:
      return push_container(m, PICKLED_SEQUENCE, NULL, 0);
    case OP_EMPTY_DICT:
      return push_container(m, PICKLED_DICT, NULL, 0);
    case OP_EMPTY_SET:
      return push(m, m->inert);
    case OP_TUPLE:
    case OP_LIST:
      return push_marked(m, PICKLED_SEQUENCE);
    case OP_DICT:
      return push_marked(m, PICKLED_DICT);
    case OP_FROZENSET:
      return push_marked(m, PICKLED_INERT);
    case OP_TUPLE1:
      return push_tuple(m, 1);
    case OP_TUPLE2:
      return push_tuple(m, 2);
    case OP_TUPLE3:
      return push_tuple(m, 3);
    case OP_APPEND:
      return add_last(m, PICKLED_SEQUENCE, 1);
    case OP_APPENDS:
      return add_marked(m, PICKLED_SEQUENCE);
    case OP_SETITEM:
      return add_last(m, PICKLED_DICT, 2);
    case OP_SETITEMS:
      return add_marked(m, PICKLED_DICT);
    case OP_ADDITEMS:
      return add_marked(m, PICKLED_INERT);

    case OP_GLOBAL:
      return push_global(m);
    case OP_STACK_GLOBAL:
      return push_stack_global(m);
    case OP_REDUCE:
    case OP_NEWOBJ:
      return push_call(m, false);
    case OP_NEWOBJ_EX:
      return push_call(m, true);
    case OP_BUILD:
      return build(m);
    case OP_BINPERSID:
      return push_storage(m);
    case OP_STOP:
      break;
  }
  return fail(m->e, "the pickle is damaged at byte %zu: 0x%02x is no operation that torch.save() writes", m->at - 1,
              (unsigned)operation);
}

static int run(struct machine *m) {
  for (;;) {
    const uint8_t *operation = take(m, 1);
    if (!operation) return FAILED;
    if (*operation == OP_STOP) break;
    if (++m->steps > UNPICKLE_MAX_STEPS)
      return fail(m->e, "the pickle has more than %d operations", UNPICKLE_MAX_STEPS);
    if (step(m, (enum operation) * operation) != OK) return FAILED;
  }
  m->pickle->root = pop(m);
  m->pickle->size = m->at;
  return m->pickle->root ? OK : FAILED;
}

int unpickle(struct pickle *pickle, const uint8_t *bytes, size_t size, error *e) {
  *pickle = (struct pickle){0};
  struct machine m = {.bytes = bytes, .size = size, .pickle = pickle, .e = e};
  m.inert = pickle_value(pickle, PICKLED_INERT, e);
  m.mark = pickle_value(pickle, PICKLED_MARK, e);
  int status = m.inert && m.mark ? run(&m) : FAILED;
  free(m.stack);
  free(m.memo);
  if (status != OK) pickle_free(pickle);
  return status;
}
