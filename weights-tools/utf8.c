#include "weights-tools/utf8.h"

size_t utf8_sequence(const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  if (size == 0) return 0;
  if (s[0] < 0x80) return 1;
  /* The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629, section 4). */
  size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
  if (s[0] < 0xC2 || s[0] > 0xF4 || size < length) return 0;
  unsigned low = 0x80, high = 0xBF;
  if (s[0] == 0xE0) low = 0xA0;
  if (s[0] == 0xED) high = 0x9F;
  if (s[0] == 0xF0) low = 0x90;
  if (s[0] == 0xF4) high = 0x8F;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < length; i++) {
    if ((s[i] & 0xC0) != 0x80) return 0;
  }
  return length;
}

size_t utf8_encode(uint32_t code, char *out) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  if (code < 0x800) {
    out[0] = (char)(0xC0 | code >> 6);
    out[1] = (char)(0x80 | (code & 0x3F));
    return 2;
  }
  if (code < 0x10000) {
    out[0] = (char)(0xE0 | code >> 12);
    out[1] = (char)(0x80 | (code >> 6 & 0x3F));
    out[2] = (char)(0x80 | (code & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | code >> 18);
  out[1] = (char)(0x80 | (code >> 12 & 0x3F));
  out[2] = (char)(0x80 | (code >> 6 & 0x3F));
  out[3] = (char)(0x80 | (code & 0x3F));
  return 4;
}
