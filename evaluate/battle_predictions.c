#include "evaluate/battle_predictions.h"

#include <string.h>

#include "evaluate/csv_writer.h"
#include "evaluate/output.h"

struct writer {
  FILE *stream;
  const struct battle *battle;
  const struct battle_set *set;
  const struct set_outcome *outcome;
};

static void write_set_name(const struct writer *w, const struct battle_shift *shift) {
  csv_write_field(w->stream, w->set->name);
  if (!shift) return;
  fputc('/', w->stream);
  csv_write_field(w->stream, shift->name);
}

static void write_line(const struct writer *w, const struct battle_shift *shift, const struct outcome_photos *photos,
                       size_t column, size_t i) {
  const struct dataset *dataset = shift ? &shift->dataset : &w->set->test;
  const struct sample *sample = &dataset->samples[photos->samples[i]];
  size_t backbone = photos->backbones[column], task = photos->tasks[column];
  const struct report_answers *answers = &w->outcome->answers[backbone];
  write_set_name(w, shift);
  fputc(',', w->stream);
  csv_write_field(w->stream, sample->path);
  fputc(',', w->stream);
  csv_write_field(w->stream, dataset->classes[sample->label]);
  fputc(',', w->stream);
  csv_write_field(w->stream, w->battle->scores.backbones[backbone]);
  fputc(',', w->stream);
  csv_write_field(w->stream, w->battle->scores.tasks[task].name);
  fprintf(w->stream, ",%.8g,", photos->values[column * photos->n + i]);
  if (!shift && answers->choices && task == w->outcome->probe_task) {
    csv_write_field(w->stream, w->set->train.classes[answers->choices[i]]);
    fprintf(w->stream, ",%.8g\n", answers->confidences[i]);
  } else {
    fputs(",\n", w->stream);
  }
}

static void write_photos(const struct writer *w, const struct battle_shift *shift,
                         const struct outcome_photos *photos) {
  for (size_t i = 0; i < photos->n; i++) {
    for (size_t column = 0; column < photos->columns; column++) write_line(w, shift, photos, column, i);
  }
}

int battle_predictions_write(const char *path, const struct battle_plan *plan, const struct battle *battle,
                             const struct set_outcome *outcomes, error *e) {
  struct output output;
  if (output_open(&output, path, e) != OK) return FAILED;
  fputs("set,path,label,backbone,task,value,prediction,confidence\n", output.stream);
  for (size_t s = 0; s < plan->set_count; s++) {
    const struct battle_set *set = &plan->sets[s];
    const struct writer writer = {output.stream, battle, set, &outcomes[s]};
    write_photos(&writer, NULL, &outcomes[s].test);
    for (size_t i = 0; i < set->shift_count; i++) write_photos(&writer, &set->shifts[i], &outcomes[s].shifts[i]);
  }
  return output_commit(&output, e);
}
