"""Fixtures of tests/test_comparison.c: tests/fixtures/comparison/statistics.txt, by scipy and numpy.

A line is a kind, the number of values, and numbers: what goes in, then what comes out. Bootstrap resamples are drawn by the
program's own generator, written again here. numpy 2.4.6, scipy 1.17.1.
"""
import pathlib

import numpy as np
from scipy import stats

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
rng = np.random.default_rng(6)
lines = []


def put(kind, n, *arrays):
    numbers = [repr(float(v)) for a in arrays for v in np.atleast_1d(a)]
    lines.append(" ".join([kind, str(n)] + numbers))


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def splitmix(state):
    while True:
        state = (state + GOLDEN) & MASK
        yield mix(state)


def stream(seed, text, number):
    """images/random.h's stream_begin(), and its bits."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return splitmix(mix((state + mix((seed + GOLDEN * (number + 1)) & MASK)) & MASK))


def short(values):
    return np.round(values, 3)


nan = np.nan
samples = [
    [0.5], [1, 1, 1], [0.1, 0.1, 0.1, 0.1], [1, 2, 2, 3], [3, nan, 1, 2], [nan, nan, 5], [1e12 + 1, 1e12 + 2, 1e12 + 3],
    short(rng.normal(size=9)), rng.integers(0, 4, size=12), [-0.0, 0.0, 1.0],
]
for values in samples:
    values = np.array(values, float)
    present = ~np.isnan(values)
    ranks, z = np.full(len(values), nan), np.full(len(values), nan)
    ranks[present] = stats.rankdata(-values[present])
    part = values[present]
    z[present] = 0 if part.min() == part.max() else stats.zscore(part, ddof=0)
    put("rank", len(values), values, ranks)
    put("z", len(values), values, z)

pairs = [
    ([1, 2, 3], [1, 2, 3]), ([1, 2, 3], [3, 2, 1]), ([1, 2], [5, 4]), ([1], [1]), ([1, 1, 1], [1, 2, 3]),
    ([1, 2, 2, 4, 5], [2, 1, 3, 3, 9]), ([1, nan, 3, 4], [2, 1, nan, 0]), (short(rng.normal(size=20)), short(rng.normal(size=20))),
    (rng.integers(0, 3, size=15), rng.integers(0, 5, size=15)),
]
for a, b in pairs:
    a, b = np.array(a, float), np.array(b, float)
    both = ~np.isnan(a) & ~np.isnan(b)
    defined = both.sum() > 1 and np.ptp(a[both]) > 0 and np.ptp(b[both]) > 0
    put("spearman", len(a), a, b, stats.spearmanr(a[both], b[both]).statistic if defined else nan)
    put("kendall", len(a), a, b, stats.kendalltau(a[both], b[both]).statistic if defined else nan)

for level in (0.95, 0.5):
    for values in ([3.0], [1, 2], short(rng.normal(size=11)), [5, nan, 1, nan, 3]):
        values = np.array(values, float)
        ends = np.nanpercentile(values, [50 * (1 - level), 50 * (1 + level)], method="linear")
        put("percentile", len(values), level, values, ends)

for b, c in [(0, 0), (1, 0), (0, 5), (5, 5), (10, 4), (3, 30), (250, 200), (1000, 1000), (40000, 41000), (0, 2000)]:
    n, least = b + c, min(b, c)
    exact = stats.binomtest(least, n, 0.5).pvalue if n else 1.0
    mid = 1.0 if n == 0 else 1 - stats.binom.pmf(b, n, 0.5) / 2 if b == c else exact - stats.binom.pmf(least, n, 0.5)
    put("mcnemar", 2, [b, c], exact, mid)

for p in ([0.5], [0.01, 0.04, 0.03, 0.005], [0.9, 0.8, 1.0], [0.02, 0.02, 0.001]):
    p = np.array(p)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    put("holm", len(p), p, adjusted)

# Two classifiers, right with probability 0.7 and 0.6 on 200 photos; intervals of both and of their difference.
draw = splitmix(77)
n, resamples, seed = 200, 400, 5
right = np.array([[(next(draw) >> 11) * 2.0**-53 < share for share in (0.7, 0.6)] for _ in range(n)], float)
means = np.empty((resamples, 2))
for r in range(resamples):
    bits = stream(seed, "bootstrap", r)
    means[r] = right[[(next(bits) >> 32) * n >> 32 for _ in range(n)]].mean(0)
ends = [np.percentile(m, [2.5, 97.5]) for m in (means[:, 0], means[:, 1], means[:, 0] - means[:, 1])]
put("bootstrap", 3, [77, n, resamples, seed], right.mean(0), ends[0], ends[1], ends[2])
# As wide as the normal approximation has it, to show that the resampling is right.
for column in range(2):
    p = right[:, column].mean()
    assert abs(np.diff(ends[column])[0] / (2 * 1.96 * np.sqrt(p * (1 - p) / n)) - 1) < 0.15

target = pathlib.Path(__file__).parents[1] / "fixtures" / "comparison" / "statistics.txt"
target.write_text("\n".join(lines) + "\n")
print(f"{target}: {len(lines)} lines, {target.stat().st_size} bytes")
