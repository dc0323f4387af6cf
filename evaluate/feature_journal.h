/* Extraction's progress on disk, so that a killed run loses only what it had not delivered yet.
 *
 * partial/features.npy holds the rows so far behind room for the header; partial/journal.tsv a line a sample, and after
 * every batch a line that vouches for it:
 *
 *   1 <TAB> SHA-256 of the picture's file       the sample has a row
 *   0 <TAB> reason                              it was skipped
 *   = <TAB> samples <TAB> crc <TAB> crc         so many samples are through; CRC-32 of all rows and of all lines so far
 *
 * Rows are written before their lines, lines before the one that vouches. A batch counts when its last line is whole
 * and both sums are right: what a kill, a full disk or a lost node tore or left unwritten is cut off and done again,
 * whatever order the file system wrote it in.
 *
 * The kernel keeps what a killed process wrote. So that a lost node or a power cut does not take more than the last
 * seconds, both files are forced to the disk every JOURNAL_SYNC_SECONDS, not after each batch, which would cost more
 * than it could save. */
#ifndef EVALUATE_FEATURE_JOURNAL_H
#define EVALUATE_FEATURE_JOURNAL_H

#include "evaluate/extract.h"

enum { JOURNAL_SYNC_SECONDS = 5 };

struct feature_journal {
  char *rows_path, *lines_path;
  int rows, lines; /* descriptors */
  size_t columns;
  size_t samples, taken; /* through so far, and how many of them have a row */
  size_t line_bytes;     /* of journal.tsv that count */
  uint32_t rows_crc, lines_crc;
  char *text; /* of the batch that is being written */
  size_t text_capacity;
  double synced; /* when, by the monotonic clock */
};

/* Begin anew in the folder `partial`. */
int feature_journal_create(struct feature_journal *journal, const char *partial, size_t columns, error *e);
/* Go on with what is there: `samples` and `taken` tell how far it came, at most `most` samples. *lost: bytes of the
 * journal that did not count and were cut off. */
int feature_journal_continue(struct feature_journal *journal, const char *partial, size_t columns, size_t most,
                             size_t *lost, error *e);
/* Add a batch of results in order. On failure (a full disk) the batch does not count. */
int feature_journal_add(struct feature_journal *journal, const struct extracted *results, size_t n, error *e);
/* All samples are through: the header is written and the rows are on the disk. They are npy data of rows_path then. */
int feature_journal_seal(struct feature_journal *journal, size_t tokens, error *e);
void feature_journal_close(struct feature_journal *journal);

/* The journal's samples, one after the other. */
struct journal_line {
  bool taken;
  const char *text; /* the hash or the reason, `length` bytes */
  size_t length;
};
/* *at: where to go on in the journal's bytes, 0 at first; false at the end. */
bool feature_journal_next(const char *bytes, size_t size, size_t *at, struct journal_line *line);

#endif
