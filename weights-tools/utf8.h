/* UTF-8 (RFC 3629), one code point at a time. */
#ifndef WEIGHTS_TOOLS_UTF8_H
#define WEIGHTS_TOOLS_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes (1 to 4) of the well-formed sequence that begins text[0, size); 0 when it is malformed: cut off, overlong, a
 * surrogate, or beyond U+10FFFF. */
size_t utf8_sequence(const char *text, size_t size);
/* Write a code point's bytes; returns how many (1 to 4). */
size_t utf8_encode(uint32_t code, char *out);

#endif
