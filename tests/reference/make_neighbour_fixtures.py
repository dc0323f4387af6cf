"""Figures of k-NN, nearest class means and retrieval: tests/fixtures/neighbours/expected.tsv.

The features are drawn by the test again (tests/test_knn.c), so that only figures are stored. Needs what
neighbour_answers.py needs.
Usage: python tests/reference/make_neighbour_fixtures.py
"""
import os

import numpy as np

import neighbour_answers as answers

OUT = os.path.join(os.path.dirname(__file__), "..", "fixtures", "neighbours")
MASK = (1 << 64) - 1
KS = (1, 5, 20)

# name, seed (one whose similarities are far enough apart), gallery rows, query rows, features, classes, classes of the
# gallery, separation, kind
CASES = [
    ("random", 7000, 60, 40, 20, 7, 7, 0.3, "any"),
    ("many", 7601, 90, 50, 12, 30, 30, 0.8, "any"),
    ("ties", 7002, 80, 40, 6, 5, 5, 0, "exact"),
    ("constant", 7003, 24, 10, 4, 4, 4, 0, "constant"),
    ("sizes", 7004, 50, 30, 9, 6, 6, 0.4, "sizes"),
    ("one", 7005, 3, 9, 8, 3, 3, 0.5, "any"),
    ("single", 7006, 1, 6, 5, 2, 1, 0.5, "any"),
    ("empty", 7007, 40, 30, 10, 6, 4, 0.5, "any"),
    ("binary", 7008, 45, 25, 5, 2, 2, 0.2, "any"),
]


class Random:
    """splitmix64, as tests/harness.c has it."""

    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def draw_row(random, d, kind, centre):
    if kind == "constant":
        return [1.0] * d
    if kind != "exact":
        return [c + 2 * random.unit() - 1 for c in centre]
    row = [0.0] * d  # four features of 1 or -1: similarities are exact, and full of ties
    while row.count(0) > d - 4:
        j, value = int(random.unit() * d), -1.0 if random.unit() < 0.5 else 1.0
        row[j] = row[j] or value
    return row


def draw(case):
    _, seed, n, queries, d, classes, filled, separation, kind = case
    random = Random(seed)
    centres = [[separation * (2 * random.unit() - 1) for _ in range(d)] for _ in range(classes)]
    gallery_y = np.array([i % filled for i in range(n)])
    gallery = [draw_row(random, d, kind, centres[y]) for y in gallery_y]
    query_y = np.array([int(random.unit() * classes) for _ in range(queries)])
    query = [draw_row(random, d, kind, centres[y]) for y in query_y]
    gallery, query = np.array(gallery, np.float32), np.array(query, np.float32)
    if kind == "sizes":  # a row of zeros in each, and norms from 2^-60 to 2^60
        gallery[3] = query[5] = 0
        gallery = np.ldexp(gallery, (np.arange(n) % 5 * 30 - 60)[:, None])
    return gallery, gallery_y, query, query_y


def check_gaps(name, a, b):
    """Ranks must not hang on rounding: similarities differ by more than float sums err, or not at all."""
    scores = np.sort(answers.unit(a) @ answers.unit(b).T, axis=1)
    gaps = np.diff(scores, axis=1)
    smallest = gaps[gaps > 1e-12].min(initial=1)
    assert smallest > 5e-7, f"{name}: a gap of {smallest}"


def write(table, name, what, values):
    table.write("\t".join([name, what] + [f"{value:.12g}" for value in values]) + "\n")


def main():
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, "expected.tsv"), "w") as table:
        for case in CASES:
            name, _, n, _, _, classes, filled, *_ = case
            x, y, q, qy = draw(case)
            check_gaps(name, q, x)
            check_gaps(name, x, x)
            if filled == classes:
                for k in [k for k in KS if k <= n]:
                    write(table, name, f"knn:{k}", answers.knn(x, y, q, qy, classes, k, 0.07))
                write(table, name, "mean", answers.class_mean(x, y, q, qy, classes, 0.07))
            for empty in ("skip", "zero"):
                write(table, name, f"query:{empty}", answers.retrieval(x, y, q, qy, KS, empty, False)[0])
                if n > classes:  # with one row a class nobody has anything to find
                    write(table, name, f"loo:{empty}", answers.retrieval(x, y, x, y, KS, empty, True)[0])


if __name__ == "__main__":
    main()
