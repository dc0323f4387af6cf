#include <string.h>

#include "kernels/memory.h"
#include "weights-tools/unpickle_internal.h"

/* What a name stands for, and what calling it gives. */
enum role {
  ROLE_INERT,        /* an object that is not looked into */
  ROLE_NAMED,        /* a class that is only mentioned, never called */
  ROLE_DICT,         /* an empty dict, or one of the pairs given */
  ROLE_HOLDER,       /* an object whose attributes may hold tensors */
  ROLE_SAME,         /* its first argument */
  ROLE_TENSOR,       /* (storage, offset, shape, strides, ...) */
  ROLE_TYPED_TENSOR, /* (storage, offset, shape, strides, gradient, hooks, dtype, ...) */
  ROLE_SUBCLASS,     /* (function, class, arguments, state): the function's result */
  ROLE_STORAGE,      /* never called; names the dtype of a storage */
  ROLE_BYTES,        /* never called; a storage whose dtype its tensors name */
  ROLE_DTYPE         /* never called; a dtype */
};

struct known_global {
  const char *module, *name;
  enum role role;
  enum dtype dtype;
};

/* All that describes tensors, and what published checkpoints keep beside them (their training arguments). */
static const struct known_global known_globals[] = {
    {"torch._utils", "_rebuild_tensor_v2", .role = ROLE_TENSOR},
    {"torch._utils", "_rebuild_tensor_v3", .role = ROLE_TYPED_TENSOR},
    {"torch._utils", "_rebuild_tensor", .role = ROLE_TENSOR},
    {"torch._utils", "_rebuild_parameter", .role = ROLE_SAME},
    {"torch._utils", "_rebuild_parameter_with_state", .role = ROLE_SAME},
    {"torch._tensor", "_rebuild_from_type_v2", .role = ROLE_SUBCLASS},
    {"torch", "FloatStorage", .role = ROLE_STORAGE, .dtype = DTYPE_F32},
    {"torch", "HalfStorage", .role = ROLE_STORAGE, .dtype = DTYPE_F16},
    {"torch", "BFloat16Storage", .role = ROLE_STORAGE, .dtype = DTYPE_BF16},
    {"torch", "DoubleStorage", .role = ROLE_STORAGE, .dtype = DTYPE_F64},
    {"torch", "LongStorage", .role = ROLE_STORAGE, .dtype = DTYPE_I64},
    {"torch", "IntStorage", .role = ROLE_STORAGE, .dtype = DTYPE_I32},
    {"torch", "ShortStorage", .role = ROLE_STORAGE, .dtype = DTYPE_I16},
    {"torch", "CharStorage", .role = ROLE_STORAGE, .dtype = DTYPE_I8},
    {"torch", "ByteStorage", .role = ROLE_STORAGE, .dtype = DTYPE_U8},
    {"torch", "BoolStorage", .role = ROLE_STORAGE, .dtype = DTYPE_BOOL},
    {"torch.storage", "UntypedStorage", .role = ROLE_BYTES},
    {"torch", "UntypedStorage", .role = ROLE_BYTES},
    {"torch", "float64", .role = ROLE_DTYPE, .dtype = DTYPE_F64},
    {"torch", "float32", .role = ROLE_DTYPE, .dtype = DTYPE_F32},
    {"torch", "float16", .role = ROLE_DTYPE, .dtype = DTYPE_F16},
    {"torch", "bfloat16", .role = ROLE_DTYPE, .dtype = DTYPE_BF16},
    {"torch", "int64", .role = ROLE_DTYPE, .dtype = DTYPE_I64},
    {"torch", "int32", .role = ROLE_DTYPE, .dtype = DTYPE_I32},
    {"torch", "int16", .role = ROLE_DTYPE, .dtype = DTYPE_I16},
    {"torch", "int8", .role = ROLE_DTYPE, .dtype = DTYPE_I8},
    {"torch", "uint8", .role = ROLE_DTYPE, .dtype = DTYPE_U8},
    {"torch", "uint16", .role = ROLE_DTYPE, .dtype = DTYPE_U16},
    {"torch", "uint32", .role = ROLE_DTYPE, .dtype = DTYPE_U32},
    {"torch", "uint64", .role = ROLE_DTYPE, .dtype = DTYPE_U64},
    {"torch", "bool", .role = ROLE_DTYPE, .dtype = DTYPE_BOOL},
    {"torch", "Size", .role = ROLE_SAME},
    {"torch", "device", .role = ROLE_INERT},
    {"torch", "Tensor", .role = ROLE_NAMED},
    {"torch.nn.parameter", "Parameter", .role = ROLE_NAMED},
    {"torch.nn.parameter", "Buffer", .role = ROLE_NAMED},
    {"torch.torch_version", "TorchVersion", .role = ROLE_INERT},

    {"torch.jit._pickle", "build_intlist", .role = ROLE_SAME},
    {"torch.jit._pickle", "build_doublelist", .role = ROLE_SAME},
    {"torch.jit._pickle", "build_boollist", .role = ROLE_SAME},
    {"torch.jit._pickle", "build_tensorlist", .role = ROLE_SAME},
    {"torch.jit._pickle", "restore_type_tag", .role = ROLE_SAME},

    {"collections", "OrderedDict", .role = ROLE_DICT},
    {"collections", "defaultdict", .role = ROLE_DICT},
    {"collections", "Counter", .role = ROLE_DICT},
    {"builtins", "dict", .role = ROLE_DICT},
    {"__builtin__", "dict", .role = ROLE_DICT},
    {"argparse", "Namespace", .role = ROLE_HOLDER},
    {"yacs.config", "CfgNode", .role = ROLE_DICT},
    {"types", "SimpleNamespace", .role = ROLE_HOLDER},
    {"pytorch_lightning.utilities.parsing", "AttributeDict", .role = ROLE_DICT},
    {"pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", .role = ROLE_NAMED},

    {"builtins", "list", .role = ROLE_SAME},
    {"builtins", "tuple", .role = ROLE_SAME},
    {"builtins", "set", .role = ROLE_INERT},
    {"builtins", "frozenset", .role = ROLE_INERT},
    {"builtins", "bytearray", .role = ROLE_INERT},
    {"builtins", "int", .role = ROLE_INERT},
    {"builtins", "float", .role = ROLE_INERT},
    {"builtins", "complex", .role = ROLE_INERT},
    {"builtins", "bool", .role = ROLE_INERT},
    {"builtins", "str", .role = ROLE_INERT},
    {"builtins", "bytes", .role = ROLE_INERT},
    {"builtins", "object", .role = ROLE_INERT},
    {"builtins", "range", .role = ROLE_INERT},
    {"builtins", "slice", .role = ROLE_INERT},
    {"__builtin__", "list", .role = ROLE_SAME},
    {"__builtin__", "tuple", .role = ROLE_SAME},
    {"__builtin__", "set", .role = ROLE_INERT},
    {"__builtin__", "frozenset", .role = ROLE_INERT},
    {"__builtin__", "bytearray", .role = ROLE_INERT},
    {"__builtin__", "int", .role = ROLE_INERT},
    {"__builtin__", "long", .role = ROLE_INERT},
    {"__builtin__", "float", .role = ROLE_INERT},
    {"__builtin__", "complex", .role = ROLE_INERT},
    {"__builtin__", "bool", .role = ROLE_INERT},
    {"__builtin__", "str", .role = ROLE_INERT},
    {"__builtin__", "unicode", .role = ROLE_INERT},
    {"__builtin__", "object", .role = ROLE_INERT},
    {"__builtin__", "xrange", .role = ROLE_INERT},
    {"_codecs", "encode", .role = ROLE_INERT},
    {"datetime", "datetime", .role = ROLE_INERT},
    {"datetime", "timedelta", .role = ROLE_INERT},
    {"pathlib", "Path", .role = ROLE_INERT},
    {"pathlib", "PosixPath", .role = ROLE_INERT},
    {"pathlib", "WindowsPath", .role = ROLE_INERT},
    {"pathlib", "PurePosixPath", .role = ROLE_INERT},
    {"pathlib", "PureWindowsPath", .role = ROLE_INERT},
    {"pathlib._local", "PosixPath", .role = ROLE_INERT},
    {"pathlib._local", "WindowsPath", .role = ROLE_INERT},
    {"numpy", "dtype", .role = ROLE_INERT},
    {"numpy", "ndarray", .role = ROLE_INERT},
    {"numpy.core.multiarray", "scalar", .role = ROLE_INERT},
    {"numpy.core.multiarray", "_reconstruct", .role = ROLE_INERT},
    {"numpy._core.multiarray", "scalar", .role = ROLE_INERT},
    {"numpy._core.multiarray", "_reconstruct", .role = ROLE_INERT},
};
enum { KNOWN_GLOBALS = sizeof known_globals / sizeof *known_globals };

/* TorchScript names the classes of a model's modules so: they hold attributes, their code lies elsewhere. */
static const char script_prefix[] = "__torch__";
static const struct known_global script_class = {script_prefix, "", .role = ROLE_HOLDER};

static bool equals(const char *text, size_t length, const char *wanted) {
  return strlen(wanted) == length && !memcmp(text, wanted, length);
}

static bool is_script_class(const char *module, size_t length) {
  size_t prefix = sizeof script_prefix - 1;
  return length >= prefix && !memcmp(module, script_prefix, prefix) && (length == prefix || module[prefix] == '.');
}

static const struct known_global *look_up(const char *module, size_t module_length, const char *name,
                                          size_t name_length) {
  if (is_script_class(module, module_length)) return &script_class;
  for (int i = 0; i < KNOWN_GLOBALS; i++) {
    const struct known_global *known = &known_globals[i];
    if (equals(name, name_length, known->name) && equals(module, module_length, known->module)) return known;
  }
  return NULL;
}

/* What of a name can be shown in a line. */
static void make_printable(char *out, size_t capacity, const char *text, size_t length) {
  size_t used = 0;
  for (; used < length && used + 1 < capacity; used++) {
    bool plain = text[used] >= 0x20 && text[used] < 0x7f;
    out[used] = '?';
    if (plain) out[used] = text[used];
  }
  out[used] = 0;
}

struct pickled *pickle_find_global(struct pickle *pickle, const char *module, size_t module_length, const char *name,
                                   size_t name_length, error *e) {
  const struct known_global *known = look_up(module, module_length, name, name_length);
  if (!known) {
    char shown_module[100], shown_name[100];
    make_printable(shown_module, sizeof shown_module, module, module_length);
    make_printable(shown_name, sizeof shown_name, name, name_length);
    fail(e, "the pickle asks for %s.%s, which is not needed to describe tensors: refused", shown_module, shown_name);
    return NULL;
  }
  struct pickled *value = pickle_value(pickle, PICKLED_GLOBAL, e);
  if (value) value->global = known;
  return value;
}

/* ---- tensors and storages ---- */

static bool is_global(const struct pickled *value, enum role role) {
  return value->type == PICKLED_GLOBAL && value->global->role == role;
}

/* A sequence of at least n values. */
static bool has_items(const struct pickled *value, size_t n) {
  return value->type == PICKLED_SEQUENCE && value->count >= n;
}

static bool is_size(const struct pickled *value) { return value->type == PICKLED_INTEGER && value->integer >= 0; }

static int read_sizes(const struct pickled *sequence, int n, int64_t *sizes, const char *what, error *e) {
  if (sequence->type != PICKLED_SEQUENCE || sequence->count != (size_t)n)
    return fail(e, "a tensor of %d dimensions has no %s for each", n, what);
  for (int i = 0; i < n; i++) {
    if (!is_size(sequence->items[i])) return fail(e, "a tensor's %s holds what is no size", what);
    sizes[i] = sequence->items[i]->integer;
  }
  return OK;
}

enum { STORAGE, OFFSET, SHAPE, STRIDES, DTYPE = 6 }; /* the arguments that matter */

static int read_tensor(struct pickled_tensor *tensor, const struct pickled *arguments, bool typed, error *e) {
  if (!has_items(arguments, typed ? DTYPE + 1 : STRIDES + 1))
    return fail(e, "a tensor lacks a part of its description");
  struct pickled *const *items = arguments->items;
  if (items[STORAGE]->type != PICKLED_STORAGE) return fail(e, "a tensor has no storage");
  tensor->storage = items[STORAGE]->storage;
  tensor->dtype = tensor->storage->dtype;
  if (typed) {
    if (!is_global(items[DTYPE], ROLE_DTYPE)) return fail(e, "a tensor's dtype is not one that is supported");
    tensor->dtype = items[DTYPE]->global->dtype;
  } else if (!tensor->storage->typed) {
    return fail(e, "a tensor's storage has no dtype");
  }
  if (!is_size(items[OFFSET])) return fail(e, "a tensor begins at no place in its storage");
  tensor->offset = items[OFFSET]->integer;
  if (items[SHAPE]->type != PICKLED_SEQUENCE || items[SHAPE]->count > MAX_DIMENSIONS)
    return fail(e, "a tensor's shape is none, or of more than %d dimensions", MAX_DIMENSIONS);
  tensor->dimensions = (int)items[SHAPE]->count;
  if (read_sizes(items[SHAPE], tensor->dimensions, tensor->shape, "size", e) != OK) return FAILED;
  return read_sizes(items[STRIDES], tensor->dimensions, tensor->stride, "stride", e);
}

static struct pickled *make_tensor(struct pickle *pickle, const struct pickled *arguments, bool typed, error *e) {
  struct pickled *value = pickle_value(pickle, PICKLED_TENSOR, e);
  struct pickled_tensor *tensor = value ? pickle_allocate(pickle, sizeof *tensor, e) : NULL;
  if (!tensor) return NULL;
  value->tensor = tensor;
  return read_tensor(tensor, arguments, typed, e) == OK ? value : NULL;
}

/* The old format's part of a storage: (its own key, the first element, elements), or None for the whole. */
static int read_view(struct pickled_storage *storage, const struct pickled *view, error *e) {
  if (view->type == PICKLED_INERT) return OK;
  if (!has_items(view, 3) || !is_size(view->items[1]) || !is_size(view->items[2]) ||
      view->items[1]->integer > storage->elements ||
      view->items[2]->integer > storage->elements - view->items[1]->integer) {
    return fail(e, "a storage is no part of the one that it belongs to");
  }
  storage->first = view->items[1]->integer;
  storage->view_count = view->items[2]->integer;
  return OK;
}

/* ("storage", class, key, device, elements), in the old format with a view behind. */
static int read_storage(struct pickled_storage *storage, const struct pickled *identifier, error *e) {
  if (!has_items(identifier, 5) || !pickled_is(identifier->items[0], "storage"))
    return fail(e, "the pickle refers to something outside that is no storage");
  struct pickled *const *items = identifier->items;
  storage->typed = is_global(items[1], ROLE_STORAGE);
  if (storage->typed) {
    storage->dtype = items[1]->global->dtype;
  } else if (!is_global(items[1], ROLE_BYTES)) {
    return fail(e, "a storage is of no class that is known");
  }
  if (items[2]->type != PICKLED_STRING || !is_size(items[4])) return fail(e, "a storage has no key or no size");
  storage->key = items[2]->text;
  storage->key_length = items[2]->length;
  storage->elements = storage->view_count = items[4]->integer;
  return identifier->count > 5 ? read_view(storage, items[5], e) : OK;
}

struct pickled *pickle_find_storage(struct pickle *pickle, const struct pickled *identifier, error *e) {
  struct pickled *value = pickle_value(pickle, PICKLED_STORAGE, e);
  struct pickled_storage *storage = value ? pickle_allocate(pickle, sizeof *storage, e) : NULL;
  if (!storage || read_storage(storage, identifier, e) != OK) return NULL;
  if (grow((void **)&pickle->storages, &pickle->storage_capacity, pickle->storage_count, sizeof *pickle->storages, e) !=
      OK) {
    return NULL;
  }
  pickle->storages[pickle->storage_count++] = storage;
  value->storage = storage;
  return value;
}

/* ---- calls ---- */

/* Python 2 gives an OrderedDict its items as a list of pairs; a default factory and the like are no items. */
static struct pickled *make_dict(struct pickle *pickle, const struct pickled *arguments, size_t *steps, error *e) {
  struct pickled *dict = pickle_value(pickle, PICKLED_DICT, e);
  if (!dict || arguments->count == 0) return dict;
  const struct pickled *items = arguments->items[0];
  if (items->type != PICKLED_DICT && items->type != PICKLED_SEQUENCE) return dict;
  *steps += items->count;
  if (items->type == PICKLED_DICT)
    return pickle_append(pickle, dict, items->items, items->count, e) == OK ? dict : NULL;
  for (size_t i = 0; i < items->count; i++) {
    if (!has_items(items->items[i], 2)) {
      fail(e, "a dict is made of what is no pair");
      return NULL;
    }
    if (pickle_append(pickle, dict, items->items[i]->items, 2, e) != OK) return NULL;
  }
  return dict;
}

static struct pickled *call(struct pickle *pickle, const struct known_global *function, const struct pickled *arguments,
                            size_t *steps, error *e) {
  switch (function->role) {
    case ROLE_INERT:
      return pickle_value(pickle, PICKLED_INERT, e);
    case ROLE_DICT:
      return make_dict(pickle, arguments, steps, e);
    case ROLE_HOLDER:
      return pickle_value(pickle, PICKLED_OBJECT, e);
    case ROLE_SAME:
      return arguments->count > 0 ? arguments->items[0] : pickle_value(pickle, PICKLED_SEQUENCE, e);
    case ROLE_TENSOR:
    case ROLE_TYPED_TENSOR:
      return make_tensor(pickle, arguments, function->role == ROLE_TYPED_TENSOR, e);
    case ROLE_NAMED:
    case ROLE_SUBCLASS:
    case ROLE_STORAGE:
    case ROLE_BYTES:
    case ROLE_DTYPE:
      break;
  }
  fail(e, "the pickle calls %s.%s, which describes no tensor: refused", function->module, function->name);
  return NULL;
}

struct pickled *pickle_call(struct pickle *pickle, const struct pickled *function, const struct pickled *arguments,
                            size_t *steps, error *e) {
  if (function->type != PICKLED_GLOBAL || arguments->type != PICKLED_SEQUENCE) {
    fail(e, "the pickle calls what is no function: refused");
    return NULL;
  }
  const struct known_global *known = function->global;
  if (known->role == ROLE_SUBCLASS) {
    if (!has_items(arguments, 3) || arguments->items[0]->type != PICKLED_GLOBAL ||
        arguments->items[2]->type != PICKLED_SEQUENCE) {
      fail(e, "the pickle calls %s.%s with what describes no tensor: refused", known->module, known->name);
      return NULL;
    }
    known = arguments->items[0]->global;
    arguments = arguments->items[2];
  }
  return call(pickle, known, arguments, steps, e);
}

/* What a dict carries as attributes (a state_dict its version) is no item of it. */
int pickle_build(struct pickle *pickle, struct pickled *object, const struct pickled *state, size_t *steps, error *e) {
  if (object->type == PICKLED_INERT || object->type == PICKLED_DICT) return OK;
  if (object->type != PICKLED_OBJECT) return fail(e, "the pickle gives attributes to what holds none: refused");
  if (state->type != PICKLED_DICT) return fail(e, "the pickle gives an object a state of an unknown kind: refused");
  *steps += state->count;
  return pickle_append(pickle, object, state->items, state->count, e);
}
