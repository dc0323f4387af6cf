/* Hints as a converted file keeps them, among the members of its configuration. */
#include <string.h>

#include "weights-tools/config.h"

void hints_write_members(struct json_writer *w, const struct hints *hints) {
  if (hints->heads) json_key(w, "heads"), json_integer(w, hints->heads);
  if (hints->norm_epsilon > 0) json_key(w, "norm_epsilon"), json_number(w, hints->norm_epsilon);
  if (hints->activation[0]) json_key(w, "activation"), json_string(w, hints->activation);
  if (hints->pooling[0]) json_key(w, "pooling"), json_string(w, hints->pooling);
  if (hints->plain_resampling) json_key(w, "plain_resampling"), json_boolean(w, true);
  if (!hints->window) return;
  json_key(w, "window"), json_integer(w, hints->window);
  json_key(w, "trained_window");
  json_begin_array(w);
  for (int stage = 0; stage < 4; stage++) json_integer(w, hints->trained_window[stage]);
  json_end_array(w);
}

/* A whole number within [0, most]; *value stays where the member is absent. */
static int read_count(const struct json *config, const char *key, int most, int *value, error *e) {
  int64_t number;
  if (!json_get(config, key)) return OK;
  if (!json_get_integer(config, key, &number) || number < 0 || number > most) return fail(e, "%s is no number", key);
  *value = (int)number;
  return OK;
}

static int read_trained_window(const struct json *config, int window[static 4], error *e) {
  double values[4];
  const struct json *array = json_get(config, "trained_window");
  if (!array) return OK;
  if (!json_read_numbers(array, values, 4)) return fail(e, "trained_window is not four numbers");
  for (int stage = 0; stage < 4; stage++) {
    if (!(values[stage] >= 0 && values[stage] <= 4096)) return fail(e, "trained_window is out of range");
    window[stage] = (int)values[stage];
  }
  return OK;
}

int hints_read(struct hints *hints, const struct json *config, error *e) {
  enum { MOST_HEADS = 4096, MOST_WINDOW = 4096 };
  struct hints h = {0};
  if (read_count(config, "heads", MOST_HEADS, &h.heads, e) != OK) return FAILED;
  if (read_count(config, "window", MOST_WINDOW, &h.window, e) != OK) return FAILED;
  if (read_trained_window(config, h.trained_window, e) != OK) return FAILED;
  if (json_get(config, "norm_epsilon") &&
      !(json_get_number(config, "norm_epsilon", &h.norm_epsilon) && h.norm_epsilon > 0 && h.norm_epsilon < 1))
    return fail(e, "norm_epsilon is not within (0, 1)");
  const struct json *plain = json_get(config, "plain_resampling");
  h.plain_resampling = plain && plain->type == JSON_BOOLEAN && plain->boolean;
  const char *activation = json_get_string(config, "activation"), *pooling = json_get_string(config, "pooling");
  if (activation && config_read_activation(&h, activation, e) != OK) return FAILED;
  if (pooling && strlen(pooling) >= sizeof h.pooling) return fail(e, "pooling \"%.40s\" is not known", pooling);
  if (pooling) memcpy(h.pooling, pooling, strlen(pooling) + 1);
  *hints = h;
  return OK;
}
