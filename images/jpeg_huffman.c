/* Huffman codes and the blocks of sequential scans (T.81 annex C, F.2).
 *
 * Broken data is treated as libjpeg does: bits that are no code count as the symbol 0, bits behind the data are zeros,
 * and a run beyond the block's end leads to its last coefficient. */
#include "images/jpeg_bits.h"

const uint8_t jpeg_natural_order[JPEG_BLOCK + 16] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
    6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31,
    39, 46, 53, 60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63};

/* ---- codes -------------------------------------------------------------------------------------------------------*/

static struct jpeg_entry entry_of(const struct jpeg_code *code, int symbol, int length) {
  int run = symbol >> 4, size = symbol & 15;
  if (code->is_dc) run = 0;
  if (!code->is_dc && size == 0 && run != 15 && code->is_sequential) run = JPEG_END_OF_BLOCK;
  return (struct jpeg_entry){(uint8_t)symbol, (uint8_t)length, (uint8_t)(length + size), (uint8_t)run};
}

int jpeg_prepare_code(struct jpeg_code *code, const struct jpeg_code_lengths *lengths, bool is_dc, bool sequential,
                      error *e) {
  memset(code, 0, sizeof *code);
  memcpy(code->symbols, lengths->symbols, sizeof code->symbols);
  code->is_dc = is_dc;
  code->is_sequential = sequential;
  int32_t next = 0, index = 0; /* of the code and of its symbol */
  for (int length = 1; length <= 16; length++) {
    int count = lengths->counts[length - 1];
    if (index + count > 256) return fail(e, "a Huffman table of more than 256 symbols");
    code->value_offset[length] = index - next;
    for (int i = 0; i < count; i++, next++, index++) {
      int symbol = code->symbols[index];
      if (is_dc && symbol > 15) return fail(e, "a Huffman table with a DC difference of %d bits", symbol);
      if (length > JPEG_LOOKAHEAD || next >= 1 << length) continue;
      int first = next << (JPEG_LOOKAHEAD - length), n = 1 << (JPEG_LOOKAHEAD - length);
      for (int bits = first; bits < first + n; bits++) code->lookahead[bits] = entry_of(code, symbol, length);
    }
    /* There must be room for all, and the code of all ones is not allowed. */
    if (count && next >= 1 << length) return fail(e, "a Huffman table with more codes than there are");
    code->max_code[length] = count ? next - 1 : -1;
    next <<= 1;
  }
  code->max_code[17] = INT32_MAX;
  return OK;
}

struct jpeg_entry jpeg_long_entry(const struct jpeg_code *code, uint64_t bits) {
  int length = JPEG_LOOKAHEAD + 1;
  while ((int32_t)(bits >> (64 - length)) > code->max_code[length]) length++;
  if (length > 16) return entry_of(code, 0, 17); /* no code: the symbol 0 */
  int index = (int32_t)(bits >> (64 - length)) + code->value_offset[length];
  return entry_of(code, code->symbols[index & 255], length);
}

void jpeg_standard_code(struct jpeg_code_lengths *lengths, bool is_dc, int table) {
  static const uint8_t dc_counts[2][16] = {{0, 1, 5, 1, 1, 1, 1, 1, 1}, {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
  static const uint8_t ac_counts[2][16] = {{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d},
                                           {0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77}};
  static const uint8_t ac_symbols[2][162] = {
      {0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
       0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
       0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
       0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
       0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
       0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
       0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
       0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
       0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa},
      {0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
       0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
       0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
       0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
       0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
       0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
       0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
       0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
       0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa},
  };
  *lengths = (struct jpeg_code_lengths){.defined = true};
  memcpy(lengths->counts, is_dc ? dc_counts[table] : ac_counts[table], sizeof lengths->counts);
  for (int i = 0; is_dc && i < 12; i++) lengths->symbols[i] = (uint8_t)i;
  if (!is_dc) memcpy(lengths->symbols, ac_symbols[table], sizeof ac_symbols[table]);
}

/* ---- bits --------------------------------------------------------------------------------------------------------*/

struct window jpeg_refill_slowly(struct jpeg_input *in, struct window w, int wanted) {
  while (w.count <= 56 && !in->marker) {
    if (w.next == in->end) break;
    uint8_t byte = *w.next;
    const uint8_t *after = w.next + 1;
    if (byte == 0xff) { /* stuffed (0 follows) or a marker, after any number of fill bytes */
      while (after < in->end && *after == 0xff) after++;
      if (after == in->end) {
        w.next = after;
        break;
      }
      if (*after) {
        in->marker = *after;
        w.next = after - 1;
        break;
      }
      after++;
    }
    w.next = after;
    w.bits |= (uint64_t)byte << (56 - w.count);
    w.count += 8;
  }
  if (!in->marker && w.next == in->end && w.count - in->padding < wanted) in->starved = true;
  if (w.count < WINDOW_MINIMUM) {
    in->padding += WINDOW_MINIMUM - w.count;
    w.count = WINDOW_MINIMUM;
  }
  return w;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------*/

int jpeg_decode_block(struct jpeg_input *in, const struct jpeg_code *dc, const struct jpeg_code *ac, int *prediction,
                      int16_t *block) {
  struct window w = open_window(in);
  refill(in, &w, SYMBOL_BITS);
  struct jpeg_entry entry = look_up(&w, dc);
  if (__builtin_add_overflow(*prediction, value_of(&w, entry), prediction)) in->overflow = true;
  drop(&w, entry.total);
  block[0] = (int16_t)*prediction;
  int place = 1;
  do {
    refill(in, &w, SYMBOL_BITS);
    entry = look_up(&w, ac);
    if (entry.run >= JPEG_END_OF_BLOCK) {
      drop(&w, entry.total);
      break;
    }
    place += entry.run;
    block[jpeg_natural_order[place]] = (int16_t)value_of(&w, entry);
    drop(&w, entry.total);
    place++;
  } while (place < JPEG_BLOCK);
  close_window(in, &w);
  return place;
}
