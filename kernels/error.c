#include "kernels/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void write_message(error *e, const char *format, va_list arguments) {
  if (e) vsnprintf(e->message, sizeof e->message, format, arguments);
}

int fail(error *e, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_message(e, format, arguments);
  va_end(arguments);
  return FAILED;
}

int usage_error(error *e, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  write_message(e, format, arguments);
  va_end(arguments);
  return USAGE;
}

int fail_within(error *e, const char *format, ...) {
  if (!e) return FAILED;
  char inner[sizeof e->message];
  memcpy(inner, e->message, sizeof inner);
  va_list arguments;
  va_start(arguments, format);
  write_message(e, format, arguments);
  va_end(arguments);
  size_t used = strlen(e->message);
  snprintf(e->message + used, sizeof e->message - used, ": %s", inner);
  return FAILED;
}

int out_of_memory(error *e, size_t bytes) { return fail(e, "out of memory (%zu bytes asked for)", bytes); }
