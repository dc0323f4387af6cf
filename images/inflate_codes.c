/* Decoding tables from code lengths. */
#include "images/inflate_internal.h"

enum { LENGTH_SYMBOLS = 19, LENGTH_ROOT = 7, LENGTH_ENTRIES = 128 };

/* What each symbol means, its code being left out (RFC 1951, section 3.2.5). */
static uint32_t literal_meaning(unsigned symbol) {
  static const uint16_t bases[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                     31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  if (symbol < END_OF_BLOCK) return make_entry(0, 0, 1, ENTRY_BASE, symbol);
  if (symbol == END_OF_BLOCK) return make_entry(0, 0, 0, ENTRY_END, 0);
  symbol -= END_OF_BLOCK + 1;
  if (symbol >= 29) return make_entry(0, 0, 0, ENTRY_INVALID, 0);
  unsigned extra = symbol < 8 || symbol == 28 ? 0 : symbol / 4 - 1;
  return make_entry(extra, 0, 0, ENTRY_BASE, bases[symbol]);
}

static uint32_t distance_meaning(unsigned symbol) {
  if (symbol >= 30) return make_entry(0, 0, 0, ENTRY_INVALID, 0);
  if (symbol < 2) return make_entry(0, 0, 0, ENTRY_BASE, symbol + 1);
  unsigned extra = symbol / 2 - 1;
  return make_entry(extra, 0, 0, ENTRY_BASE, 1 + ((2 + symbol % 2) << extra));
}

static uint32_t length_meaning(unsigned symbol) { return make_entry(0, 0, 1, ENTRY_BASE, symbol); }

/* A code of `length` bits as it lies in the stream, its first bit lowest, and the next one of that length. */
static unsigned next_code(unsigned code, unsigned length) {
  unsigned bit = 1u << (length - 1);
  for (; code & bit; bit >>= 1) code ^= bit;
  return code | bit;
}

/* Symbols by their codes' lengths, and how many there are of each length. */
struct sorted {
  unsigned counts[MAX_CODE_BITS + 1];
  unsigned longest;
  uint16_t symbols[LITERAL_SYMBOLS];
};

/* False when the lengths (0: unused) are no prefix code: over-subscribed, or incomplete. A code of at most one symbol
 * may be incomplete when `may_be_single`. */
static bool sort_symbols(struct sorted *sorted, const uint8_t *lengths, unsigned symbols, bool may_be_single) {
  memset(sorted->counts, 0, sizeof sorted->counts);
  for (unsigned s = 0; s < symbols; s++) sorted->counts[lengths[s]]++;
  sorted->counts[0] = 0;
  sorted->longest = 0;
  unsigned places[MAX_CODE_BITS + 1], place = 0;
  int left = 1;
  for (unsigned n = 1; n <= MAX_CODE_BITS; n++) {
    places[n] = place;
    place += sorted->counts[n];
    left = 2 * left - (int)sorted->counts[n];
    if (left < 0) return false;
    if (sorted->counts[n]) sorted->longest = n;
  }
  if (left > 0 && !(may_be_single && sorted->longest <= 1)) return false;
  for (unsigned s = 0; s < symbols; s++) {
    if (lengths[s]) sorted->symbols[places[lengths[s]]++] = (uint16_t)s;
  }
  return true;
}

/* Bits of the second table whose first code has `length` bits: as many codes as fill it share their first bits. */
static unsigned second_bits(const unsigned counts[MAX_CODE_BITS + 1], unsigned length, unsigned root) {
  unsigned bits = length - root;
  for (int left = (1 << bits) - (int)counts[length]; left > 0 && root + bits < MAX_CODE_BITS;) {
    bits++;
    left = 2 * left - (int)counts[root + bits];
  }
  return bits;
}

/* Codes are given in ascending order of length (RFC 1951, section 3.2.2). The first table grows with them: what stands
 * for n bits, said twice, stands for n + 1. */
static bool build_table(uint32_t *table, unsigned root, const uint8_t *lengths, unsigned symbols, bool may_be_single,
                        uint32_t (*meaning)(unsigned symbol)) {
  struct sorted sorted;
  if (!sort_symbols(&sorted, lengths, symbols, may_be_single)) return false;
  const uint16_t *symbol = sorted.symbols;
  unsigned code = 0, filled = 1; /* bits that the first table stands for, as a power */
  table[0] = make_entry(0, 0, 0, ENTRY_INVALID, 0);
  for (unsigned n = 1; n <= root; n++, filled *= 2) {
    memcpy(table + filled, table, filled * sizeof *table);
    for (unsigned i = sorted.counts[n]; i > 0; i--) {
      table[code] = meaning(*symbol++) + (n | n << 8);
      code = next_code(code, n);
    }
  }
  uint32_t *second = NULL;
  unsigned prefix = 0, bits = 0, used = filled;
  for (unsigned n = root + 1; n <= sorted.longest; n++) {
    unsigned left = sorted.counts[n];
    for (unsigned length = n - root; left > 0; left--) {
      if (!second || (code & (filled - 1)) != prefix) {
        prefix = code & (filled - 1);
        sorted.counts[n] = left;
        bits = second_bits(sorted.counts, n, root);
        table[prefix] = make_entry(root, bits, 0, ENTRY_TABLE, used);
        second = table + used;
        used += 1u << bits;
      }
      uint32_t found = meaning(*symbol++) + (length | length << 8);
      for (unsigned i = code >> root; i < 1u << bits; i += 1u << length) second[i] = found;
      code = next_code(code, n);
    }
  }
  return true;
}

/* Whether two literals fit into the bits of one look often enough to be worth it. Bits being random, a code of n bits
 * is met once in 2^n times. */
static bool pairs_pay(const uint8_t *lengths) {
  enum { WORTH_IT = 4 /* once in so many looks */ };
  unsigned counts[LITERAL_ROOT + 1] = {0}, pairs = 0, second = 0; /* chances: times 2^LITERAL_ROOT */
  for (unsigned s = 0; s < END_OF_BLOCK; s++) counts[lengths[s] <= LITERAL_ROOT ? lengths[s] : 0]++;
  for (unsigned n = LITERAL_ROOT - 1; n > 0; n--) {
    second += counts[LITERAL_ROOT - n] << n;
    pairs += counts[n] * second >> n;
  }
  return pairs * WORTH_IT > 1u << LITERAL_ROOT;
}

/* Where two literals fit, let an entry stand for both. Descending, since the second code's entry must still be that of
 * one literal. */
static void pair_literals(uint32_t *table) {
  for (unsigned i = 1u << LITERAL_ROOT; i-- > 0;) {
    uint32_t first = table[i];
    unsigned length = entry_code(first);
    if (!entry_literals(first)) continue;
    uint32_t second = table[i >> length];
    if (!entry_literals(second) || length + entry_code(second) > LITERAL_ROOT) continue;
    table[i] =
        make_entry(length + entry_code(second), length, 2, ENTRY_BASE, entry_value(first) | entry_value(second) << 8);
  }
}

static bool build_codes(struct codes *codes, const uint8_t *lengths, unsigned literals, unsigned distances) {
  if (!build_table(codes->literals, LITERAL_ROOT, lengths, literals, true, literal_meaning) ||
      !build_table(codes->distances, DISTANCE_ROOT, lengths + literals, distances, true, distance_meaning)) {
    return false;
  }
  codes->has_pairs = pairs_pay(lengths);
  if (codes->has_pairs) pair_literals(codes->literals);
  return true;
}

/* The code lengths are themselves Huffman coded (RFC 1951, section 3.2.7). When the input runs out they are whatever
 * zeros mean, and the caller notices. */
const char *inflate_read_codes(struct codes *codes, struct bit_reader *r) {
  static const uint8_t order[LENGTH_SYMBOLS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  refill(r);
  unsigned literals = 257 + take(r, 5), distances = 1 + take(r, 5), lengths_sent = 4 + take(r, 4);
  if (literals > 286 || distances > 30) return "too many symbols in a block's codes";
  uint8_t lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS] = {0};
  for (unsigned i = 0; i < lengths_sent; i++) {
    refill(r);
    lengths[order[i]] = (uint8_t)take(r, 3);
  }
  uint32_t table[LENGTH_ENTRIES];
  if (!build_table(table, LENGTH_ROOT, lengths, LENGTH_SYMBOLS, false, length_meaning)) {
    return "a block's code of code lengths is invalid";
  }
  memset(lengths, 0, LENGTH_SYMBOLS);
  for (unsigned i = 0; i < literals + distances;) {
    refill(r);
    uint32_t found = table[low_bits(r->bits, LENGTH_ROOT)];
    drop(r, entry_code(found));
    unsigned symbol = entry_value(found), repeat = 1;
    uint8_t length = (uint8_t)symbol;
    if (symbol >= 16) {
      length = symbol == 16 && i > 0 ? lengths[i - 1] : 0;
      repeat = symbol == 16 ? 3 + take(r, 2) : symbol == 17 ? 3 + take(r, 3) : 11 + take(r, 7);
    }
    if ((symbol == 16 && i == 0) || repeat > literals + distances - i) return "a block's code lengths are invalid";
    memset(lengths + i, length, repeat);
    i += repeat;
  }
  if (!lengths[END_OF_BLOCK] || !build_codes(codes, lengths, literals, distances)) {
    return "a block's codes are invalid";
  }
  return NULL;
}

void inflate_fixed_codes(struct codes *codes) {
  uint8_t lengths[LITERAL_SYMBOLS + DISTANCE_SYMBOLS];
  memset(lengths, 8, 144);
  memset(lengths + 144, 9, 112);
  memset(lengths + 256, 7, 24);
  memset(lengths + 280, 8, 8);
  memset(lengths + LITERAL_SYMBOLS, 5, DISTANCE_SYMBOLS);
  build_codes(codes, lengths, LITERAL_SYMBOLS, DISTANCE_SYMBOLS);
}
