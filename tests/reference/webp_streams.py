"""Random WebP files that are valid but that no encoder writes: all of VP8's and VP8L's syntax, to the absurd.

Usage: python tests/reference/webp_streams.py FOLDER COUNT [SEED]
Then compare_pixels.py compares a decoder's pixels of FOLDER with Pillow's. make_webp_fixtures.py takes some, too.
"""
import os
import random
import re
import struct
import sys

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "images")


def numbers_in(file, array):
    """All numbers of an array in a C source, in order."""
    with open(os.path.join(SOURCES, file)) as source:
        initialiser = re.search(rf"{array}\[[^=]*= ({{.*?}});", source.read(), re.S)[1]
    return [int(n) for n in re.findall(r"-?\d+", initialiser)]


def riff(tag, data):
    body = b"WEBP" + tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


# ---- VP8 (RFC 6386) -------------------------------------------------------------------------------------------------

UPDATE_PROBABILITIES = numbers_in("vp8_tables.c", "vp8_update_probabilities")


class BoolEncoder:
    """Section 7.3."""

    def __init__(self):
        self.out, self.range, self.bottom, self.count = bytearray(), 255, 0, 24

    def bit(self, bit, probability=128):
        split = 1 + ((self.range - 1) * probability >> 8)
        self.bottom += split if bit else 0
        self.range = self.range - split if bit else split
        while self.range < 128:
            self.range <<= 1
            if self.bottom & 1 << 31:
                at = len(self.out) - 1
                while self.out[at] == 255:
                    self.out[at] = 0
                    at -= 1
                self.out[at] += 1
            self.bottom = self.bottom << 1 & 0xFFFFFFFF
            self.count -= 1
            if self.count == 0:
                self.out.append(self.bottom >> 24)
                self.bottom &= 0xFFFFFF
                self.count = 8

    def number(self, value, bits):
        for i in reversed(range(bits)):
            self.bit(value >> i & 1)

    def optional(self, value, bits):
        self.bit(value is not None)
        if value is not None:
            self.number(abs(value), bits)
            self.bit(value < 0)

    def finish(self):
        for _ in range(32):
            self.bit(0)
        return bytes(self.out)


def sometimes(rng, most, chance=0.5):
    return rng.randint(-most, most) if rng.random() < chance else None


def write_segments(e, rng):
    used = rng.random() < 0.5
    e.bit(used)
    if not used:
        return
    has_map, has_data = rng.random() < 0.8, rng.random() < 0.8
    e.bit(has_map)
    e.bit(has_data)
    if has_data:
        e.bit(rng.getrandbits(1))
        for bits in (7, 6):
            for _ in range(4):
                e.optional(sometimes(rng, (1 << bits) - 1), bits)
    for _ in range(3 if has_map else 0):
        given = rng.random() < 0.7
        e.bit(given)
        if given:
            e.number(rng.randint(0, 255), 8)


def write_filter(e, rng):
    e.bit(rng.getrandbits(1))
    e.number(rng.choice([0, rng.randint(1, 63), rng.randint(1, 63)]), 6)
    e.number(rng.choice([0, rng.randint(0, 7)]), 3)
    deltas = rng.random() < 0.5
    e.bit(deltas)
    if deltas:
        update = rng.random() < 0.8
        e.bit(update)
        for _ in range(8 if update else 0):
            e.optional(sometimes(rng, 63), 6)


def vp8(rng, width, height, cut=0.0, updates=0.02, room=900):
    """A key frame. Behind the header any bits mean something. cut: the share of partitions that end too early.
    room: bytes of coefficients a macroblock."""
    e = BoolEncoder()
    macroblocks, rows = (width + 15) // 16 * ((height + 15) // 16), (height + 15) // 16
    e.number(rng.getrandbits(2), 2)
    write_segments(e, rng)
    write_filter(e, rng)
    partitions = rng.randint(0, 3)
    e.number(partitions, 2)
    e.number(rng.choice([0, 127, rng.randint(0, 127), rng.randint(0, 30)]), 7)
    for _ in range(5):
        e.optional(sometimes(rng, 15), 4)
    e.bit(rng.getrandbits(1))
    for probability in UPDATE_PROBABILITIES:
        update = rng.random() < updates
        e.bit(update, probability)
        if update:
            e.number(rng.choice([0, 1, 255, rng.randint(0, 255)]), 8)
    skips = rng.random() < 0.6
    e.bit(skips)
    if skips:
        e.number(rng.choice([rng.randint(0, 255), 30, 128]), 8)
    for _ in range(macroblocks * 140 + 60):
        e.bit(rng.getrandbits(1))
    first, tokens = e.finish(), []
    for i in range(1 << partitions):
        size = macroblocks * room + 10 if i < rows else rng.choice([1, 4])
        if rng.random() < cut:
            size = rng.randint(0, macroblocks * 60)
        density = rng.choice([255, 127, 63])  # the fewer bits are set, the fewer coefficients there are
        tokens.append(bytes(rng.getrandbits(8) & (rng.getrandbits(8) | (255 ^ density)) for _ in range(size)))
    sizes = b"".join(struct.pack("<I", len(data))[:3] for data in tokens[:-1])
    tag = struct.pack("<I", 0x10 | rng.randint(0, 3) << 1 | len(first) << 5)[:3]
    scaled = [side | rng.randint(0, 3) << 14 for side in (width, height)]
    return tag + b"\x9d\x01\x2a" + struct.pack("<HH", *scaled) + first + sizes + b"".join(tokens)


# ---- VP8L (RFC 9649) ------------------------------------------------------------------------------------------------

near = numbers_in("vp8l_pixels.c", "near")
NEAR = list(zip(near[::2], near[1::2]))
ORDER = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]


class Bits:
    def __init__(self):
        self.out, self.value, self.count = bytearray(), 0, 0

    def put(self, value, bits):
        self.value |= value << self.count
        self.count += bits
        while self.count >= 8:
            self.out.append(self.value & 255)
            self.value >>= 8
            self.count -= 8

    def finish(self):
        return bytes(self.out) + (bytes([self.value]) if self.count else b"")


def complete_lengths(rng, symbols, longest):
    """Lengths of a complete code: {symbol: length}."""
    depths = [0]
    while len(depths) < len(symbols):
        free = [i for i, depth in enumerate(depths) if depth < longest]
        split = rng.choice([rng.choice(free), max(free, key=lambda i: depths[i]), min(free, key=lambda i: depths[i])])
        depth = depths.pop(split) + 1
        depths += [depth, depth]
    rng.shuffle(depths)
    return dict(zip(symbols, depths))


def canonical(lengths):
    """{symbol: (code, length)}, the code's first bit lowest; of one symbol alone, no bits."""
    if len(lengths) == 1:
        return {symbol: (0, 0) for symbol in lengths}
    codes, code, last = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in lengths.items()):
        code <<= length - last
        codes[symbol] = int(f"{code:0{length}b}"[::-1], 2), length
        code, last = code + 1, length
    return codes


def runs(rng, lengths):
    """Lengths as tokens (symbol, extra, bits of it)."""
    at, previous = 0, 8
    while at < len(lengths):
        value, run = lengths[at], 1
        while at + run < len(lengths) and lengths[at + run] == value:
            run += 1
        if value == 0 and run >= 3 and rng.random() < 0.9:
            run = min(run, 138)
            yield (17, run - 3, 3) if run < 11 else (18, run - 11, 7)
        elif value and value == previous and run >= 3 and rng.random() < 0.8:
            run = min(run, 6)
            yield 16, run - 3, 2
        else:
            run = 1
            yield value, 0, 0
        previous = value or previous
        at += run


def write_code(bits, rng, alphabet, symbols):
    """A code for these symbols; gives {symbol: (code, length)}."""
    symbols = sorted(symbols)
    if len(symbols) <= 2 and symbols[-1] < 256 and rng.random() < 0.7:
        bits.put(1, 1)
        bits.put(len(symbols) - 1, 1)
        short = symbols[0] < 2 and rng.random() < 0.5
        bits.put(not short, 1)
        bits.put(symbols[0], 1 if short else 8)
        if len(symbols) == 2:
            bits.put(symbols[1], 8)
        return canonical({symbol: 1 for symbol in symbols})
    lengths = complete_lengths(rng, symbols, 15) if len(symbols) > 1 else {symbols[0]: rng.randint(1, 15)}
    shorter = rng.random() < 0.5
    tokens = list(runs(rng, [lengths.get(i, 0) for i in range(symbols[-1] + 1 if shorter else alphabet)]))
    if shorter and len(tokens) < 2:
        tokens.append((0, 0, 0))
    used = sorted({token[0] for token in tokens})
    code_lengths = complete_lengths(rng, used, 7) if len(used) > 1 else {used[0]: rng.randint(1, 7)}
    count = max(4, max(ORDER.index(symbol) for symbol in used) + 1)
    bits.put(0, 1)
    bits.put(count - 4, 4)
    for symbol in ORDER[:count]:
        bits.put(code_lengths.get(symbol, 0), 3)
    bits.put(shorter, 1)
    if shorter:
        width = next(width for width in range(8) if len(tokens) - 2 < 1 << 2 + 2 * width)
        bits.put(width, 3)
        bits.put(len(tokens) - 2, 2 + 2 * width)
    codes = canonical(code_lengths)
    for symbol, extra, extra_bits in tokens:
        bits.put(*codes[symbol])
        bits.put(extra, extra_bits)
    return canonical(lengths)


def prefixed(rng, prefix, most_bits=99):
    """A length or a distance of this prefix: (value, extra, bits of it)."""
    if prefix < 4:
        return prefix + 1, 0, 0
    count = prefix - 2 >> 1
    extra = rng.getrandbits(min(count, most_bits))
    return (2 + (prefix & 1) << count) + extra + 1, extra, count


class Group:
    """Five codes, and what they can say."""

    def __init__(self, bits, rng, greens, reds, cache_bits, with_copies):
        pick = lambda values, counts: rng.sample(list(values), min(len(values), rng.choice(counts)))
        self.literals = pick(greens, [1, 2, 3, 20, 256])
        self.lengths = pick(range(24), [0, 0, 1, 5, 24]) if with_copies else []
        self.cached = pick(range(1 << cache_bits), [0, 1, 4, 100]) if cache_bits else []
        self.distances = pick(range(40), [1, 2, 10, 40])
        greens = self.literals + [256 + i for i in self.lengths] + [280 + i for i in self.cached]
        alphabets = [280 + (1 << cache_bits if cache_bits else 0), 256, 256, 256, 40]
        others = [pick(reds, [1, 1, 2, 5, 256]), *(pick(range(256), [1, 1, 2, 5, 256]) for _ in range(2))]
        self.codes = [write_code(bits, rng, a, s) for a, s in zip(alphabets, [greens, *others, self.distances])]


def write_picture(bits, rng, width, height, greens=range(256), reds=range(256), is_main=False):
    """An entropy-coded picture of random content; gives its pixels."""
    cache_bits = rng.choice([0, 0, 1, 3, 8, 11])
    bits.put(cache_bits > 0, 1)
    if cache_bits:
        bits.put(cache_bits, 4)
    block_bits, blocks, groups = 0, None, 1
    if is_main:
        blocks = rng.random() < 0.5
        bits.put(blocks, 1)
        if blocks:
            block_bits = rng.randint(2, 9)
            bits.put(block_bits - 2, 3)
            size = [side + (1 << block_bits) - 1 >> block_bits for side in (width, height)]
            blocks = [pixel >> 8 & 0xFFFF for pixel in write_picture(bits, rng, *size, range(rng.randint(1, 6)), range(1))]
            groups = max(blocks) + 1
    groups = [Group(bits, rng, greens, reds, cache_bits, width * height > 1) for _ in range(groups)]
    pixels, cache = [], [0] * (1 << cache_bits)
    while len(pixels) < width * height:
        x, y = len(pixels) % width, len(pixels) // width
        across = width + (1 << block_bits) - 1 >> block_bits
        group = groups[blocks[(y >> block_bits) * across + (x >> block_bits)] if blocks else 0]
        more = copy(bits, rng, group, pixels, width, height) if group.lengths and pixels and rng.random() < 0.3 else None
        if not more and group.cached and rng.random() < 0.4:
            key = rng.choice(group.cached)
            if cache[key] >> 8 & 255 in greens and cache[key] >> 16 & 255 in reds:
                bits.put(*group.codes[0][280 + key])
                more = [cache[key]]
        if not more:
            green = rng.choice(group.literals)
            red, blue, alpha = (rng.choice(list(group.codes[i])) for i in (1, 2, 3))
            for i, value in enumerate((green, red, blue, alpha)):
                bits.put(*group.codes[i][value])
            more = [alpha << 24 | red << 16 | green << 8 | blue]
        for pixel in more:
            pixels.append(pixel)
            if cache_bits:
                cache[(0x1E35A7BD * pixel & 0xFFFFFFFF) >> 32 - cache_bits] = pixel
    return pixels


def copy(bits, rng, group, pixels, width, height):
    """The pixels of a copy that was written, or None: the one that was tried does not fit."""
    prefix, distance_prefix = rng.choice(group.lengths), rng.choice(group.distances)
    length, extra, extra_bits = prefixed(rng, prefix)
    code, distance_extra, distance_bits = prefixed(rng, distance_prefix, rng.choice([3, 99]))
    distance = code - 120 if code > 120 else max(1, NEAR[code - 1][0] + NEAR[code - 1][1] * width)
    if length > width * height - len(pixels) or distance > len(pixels):
        return None
    bits.put(*group.codes[0][256 + prefix])
    bits.put(extra, extra_bits)
    bits.put(*group.codes[4][distance_prefix])
    bits.put(distance_extra, distance_bits)
    copied = []
    for i in range(length):
        at = len(pixels) + i - distance
        copied.append(pixels[at] if at < len(pixels) else copied[at - len(pixels)])
    return copied


def vp8l(rng, width, height, transforms=None):
    """transforms: their types in order; random if None."""
    bits, coded_width = Bits(), width
    bits.put(0x2F, 8)
    bits.put(width - 1, 14)
    bits.put(height - 1, 14)
    bits.put(rng.getrandbits(1), 4)
    for kind in rng.sample(range(4), rng.randint(0, 4)) if transforms is None else transforms:
        bits.put(1, 1)
        bits.put(kind, 2)
        if kind in (0, 1):
            block_bits = rng.randint(2, 9)
            bits.put(block_bits - 2, 3)
            write_picture(bits, rng, *(side + (1 << block_bits) - 1 >> block_bits for side in (coded_width, height)))
        elif kind == 3:
            colours = rng.choice([1, 2, 3, 4, 5, 16, 17, 100, 256])
            bits.put(colours - 1, 8)
            write_picture(bits, rng, colours, 1)
            shared = 0 if colours > 16 else 1 if colours > 4 else 2 if colours > 2 else 3
            coded_width = coded_width + (1 << shared) - 1 >> shared
    bits.put(0, 1)
    write_picture(bits, rng, coded_width, height, is_main=True)
    return bits.finish()


def main():
    folder, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.makedirs(folder, exist_ok=True)
    rng = random.Random(seed)
    for i in range(count):
        width, height = (rng.choice([rng.randint(1, 8), rng.randint(1, 90)]) for _ in range(2))
        if i % 2:
            data = riff(b"VP8L", vp8l(rng, width, height))
        else:
            data = riff(b"VP8 ", vp8(rng, width, height, rng.choice([0, 0, 0, 0.3]), rng.choice([0, 0.02, 0.3])))
        with open(os.path.join(folder, f"{seed}-{i}.webp"), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
