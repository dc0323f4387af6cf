/* The extraction pipeline: pictures in, rows of features (or logits) out, in order. */
#ifndef EVALUATE_EXTRACT_H
#define EVALUATE_EXTRACT_H

#include "evaluate/dataset.h"
#include "evaluate/engine.h"

/* Augmented views of every picture (images/random_crop.h); each is drawn by the seed, the picture's path and its number
 * alone. */
struct view_choice {
  size_t count; /* 0: pictures as they are */
  uint64_t seed;
};

/* One sample's result: its row, or the reason why there is none. */
struct extracted {
  size_t index;       /* the sample */
  const float *row;   /* [columns], of several views [views, columns]; NULL when the picture was unreadable or the
                         features were not finite */
  const char *sha256; /* of the picture's file, when there is a row */
  const char *reason; /* when row is NULL, without the sample's path */
};

struct extraction {
  const struct engine *engine;
  const struct dataset *dataset;
  const size_t *indices; /* samples to take, in this order */
  size_t count;
  int batch;   /* pictures, or views of them, that a worker takes at a time */
  bool logits; /* rows are logits, else pooled features */
  struct decode_options decode;
  const struct corruption_choice *corruption; /* NULL: pictures as they are */
  struct view_choice views;                   /* without a corruption */
  bool progress;                              /* show rate and time left on stderr */
  /* Called in order, by one thread at a time. FAILED ends the extraction with the message. */
  int (*receive)(void *context, const struct extracted *results, size_t n, error *e);
  void *context;
};

/* Each of engine->threads workers decodes its own pictures and takes them through the whole network, so that one
 * decodes while another computes and nobody waits for anybody; only delivery is in order. */
int extract(const struct extraction *extraction, error *e);

#endif
