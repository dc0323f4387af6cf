/* Decoders against Pillow's answers in tables of hashes, and against damage. */
#ifndef TESTS_DECODING_H
#define TESTS_DECODING_H

#include <stddef.h>

/* FOLDER (of tests/fixtures) holds hashes.tsv with lines of name, width, height, mode and the FNV-1a hash of Pillow's
 * RGB bytes: each file must give them, strict and lenient. Lines of damaged.tsv are the same with
 * LOAD_TRUNCATED_IMAGES, or end in "refused": those files must be refused when strict. */
void check_hash_tables(const char *folder);
/* turned.tsv of the same form holds what ImageOps.exif_transpose makes of files. */
void check_turned_hashes(const char *folder);

/* The fixture cut at every byte, and with every byte changed, gets an answer; a cut that takes more than `forgiven`
 * bytes gets an error. */
void check_damage(const char *name, size_t forgiven);

/* The file is refused with a message that contains `part`. */
void check_refused(const void *bytes, size_t size, const char *part);

#endif
