#include "evaluate/report_page.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "weights-tools/utf8.h"

/* ---- text ---------------------------------------------------------------------------------------------------------
 */

/* The code point of a well-formed sequence. */
static uint32_t decode(const unsigned char *s, size_t length) {
  if (length == 1) return s[0];
  uint32_t code = s[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) code = code << 6 | (s[i] & 0x3f);
  return code;
}

/* Characters that HTML forbids, or that would change how their neighbours are shown. */
static bool is_unwelcome(uint32_t code) {
  bool control = (code < 0x20 && code != '\t' && code != '\n') || (code >= 0x7f && code < 0xa0);
  bool direction = (code >= 0x200e && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
                   (code >= 0x2066 && code <= 0x2069) || code == 0x061c;
  return control || direction || (code & 0xfffe) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
}

static void put_character(FILE *stream, const char *text, size_t length) {
  switch (*text) {
    case '&':
      fputs("&amp;", stream);
      break;
    case '<':
      fputs("&lt;", stream);
      break;
    case '>':
      fputs("&gt;", stream);
      break;
    case '"':
      fputs("&quot;", stream);
      break;
    case '\'':
      fputs("&#39;", stream);
      break;
    default:
      fwrite(text, 1, length, stream);
  }
}

/* At most `most` characters; returns where it stopped. */
static const char *put_text(FILE *stream, const char *text, size_t most) {
  for (size_t left = strlen(text); left && most; most--) {
    size_t length = utf8_sequence(text, left);
    if (length == 0 || is_unwelcome(decode((const unsigned char *)text, length))) {
      fputs("\xef\xbf\xbd", stream);
    } else {
      put_character(stream, text, length);
    }
    if (length == 0) length = 1;
    text += length;
    left -= length;
  }
  return text;
}

void page_text(struct page *page, const char *text) { put_text(page->stream, text, SIZE_MAX); }

static size_t count_characters(const char *text) {
  size_t count = 0;
  for (size_t left = strlen(text); left; count++) {
    size_t length = utf8_sequence(text, left);
    if (length == 0) length = 1;
    text += length;
    left -= length;
  }
  return count;
}

void page_short_text(struct page *page, const char *text, size_t most) {
  if (count_characters(text) <= most) {
    page_text(page, text);
    return;
  }
  put_text(page->stream, text, most - 1);
  fputs("\xe2\x80\xa6", page->stream);
}

/* ---- markup -------------------------------------------------------------------------------------------------------
 */

/* One conversion, "%...": its argument is taken from the list. Returns what follows it. */
static const char *put_conversion(struct page *page, const char *at, va_list *arguments) {
  char conversion[24];
  size_t length = 1 + strcspn(at + 1, "sdufg") + 1;
  if (length >= sizeof conversion) return at + length;
  memcpy(conversion, at, length);
  conversion[length] = 0;
  switch (conversion[length - 1]) {
    case 's':
      page_text(page, va_arg(*arguments, const char *));
      break;
    case 'd':
      fprintf(page->stream, conversion, va_arg(*arguments, int));
      break;
    case 'u':
      fprintf(page->stream, conversion, va_arg(*arguments, size_t));
      break;
    default:
      fprintf(page->stream, conversion, va_arg(*arguments, double));
  }
  return at + length;
}

void page_write(struct page *page, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  while (*format) {
    size_t plain = strcspn(format, "%");
    fwrite(format, 1, plain, page->stream);
    format += plain;
    if (format[0] == '%' && format[1] == '%') {
      fputc('%', page->stream);
      format += 2;
    } else if (*format) {
      format = put_conversion(page, format, &arguments);
    }
  }
  va_end(arguments);
}

void page_base64(struct page *page, const uint8_t *bytes, size_t size) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < size; i += 3) {
    uint32_t group = (uint32_t)bytes[i] << 16;
    if (i + 1 < size) group |= (uint32_t)bytes[i + 1] << 8;
    if (i + 2 < size) group |= bytes[i + 2];
    char four[4] = {digits[group >> 18], digits[group >> 12 & 63], digits[group >> 6 & 63], digits[group & 63]};
    if (i + 1 >= size) four[2] = '=';
    if (i + 2 >= size) four[3] = '=';
    fwrite(four, 1, 4, page->stream);
  }
}

void page_data_uri(struct page *page, const char *type, const uint8_t *bytes, size_t size) {
  page_write(page, "data:%s;base64,", type);
  page_base64(page, bytes, size);
}

/* ---- numbers ------------------------------------------------------------------------------------------------------
 */

static char *with_sign(char text[static 48], double value, int decimals, const char *plus) {
  char digits[40];
  if (isnan(value)) {
    snprintf(text, 48, "\xe2\x80\x93");
    return text;
  }
  snprintf(digits, sizeof digits, "%.*f", fabs(value) < 1e15 ? decimals : 0, fabs(value) < 1e18 ? fabs(value) : 1e18);
  bool zero = strspn(digits, "0.") == strlen(digits);
  snprintf(text, 48, "%s%s", zero ? "" : value < 0 ? "\xe2\x88\x92" : plus, digits);
  return text;
}

char *number_text(char text[static 48], double value, int decimals) { return with_sign(text, value, decimals, ""); }
char *signed_text(char text[static 48], double value, int decimals) { return with_sign(text, value, decimals, "+"); }

char *amount_text(char text[static 48], double value) {
  static const char *const units[] = {"", "\xc2\xa0k", "\xc2\xa0M", "\xc2\xa0G", "\xc2\xa0T"};
  size_t unit = 0;
  if (isnan(value)) return number_text(text, value, 0);
  for (; fabs(value) >= 999.5 && unit < 4; unit++) value /= 1000;
  int decimals = fabs(value) >= 99.95 ? 0 : fabs(value) >= 9.995 ? 1 : fabs(value) >= 0.9995 ? 2 : 3;
  char digits[48];
  snprintf(text, 48, "%.40s%s", number_text(digits, value, decimals), units[unit]);
  return text;
}
