"""Compare the evaluator's figures with scikit-learn, torchmetrics, scipy and statsmodels.

    compare_metrics.py [SEED]          (program: $BACKBONES or build/backbones)

Runs the program on drawn feature folders - random ones and degenerate ones: ties, classes without an image, one image a
class, constant features, rows of zeros, two classes - and prints the largest absolute difference of every figure;
exits 1 when one is above 1e-6. numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, torch 2.15.0, torchmetrics 1.9.0,
statsmodels 0.15.0.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import torch
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, brier_score_loss, log_loss,
                             top_k_accuracy_score)
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import normalize
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from torchmetrics.functional.classification import binary_calibration_error
from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalPrecision, RetrievalRecall

LIMIT = 1e-6
TEMPERATURE = 0.07
PROGRAM = os.path.abspath(os.environ.get("BACKBONES", "build/backbones"))
warnings.filterwarnings("ignore")  # scikit-learn's, about classes that do not occur
torch.set_default_dtype(torch.float64)


class Agreement:
    """The largest difference of every figure, in the order in which figures first come."""

    def __init__(self):
        self.rows = {}

    def add(self, figure, reference, ours, theirs):
        ours, theirs = np.atleast_1d(np.array(ours, float)), np.atleast_1d(np.array(theirs, float))
        assert ours.shape == theirs.shape, (figure, ours.shape, theirs.shape)
        assert (np.isnan(ours) == np.isnan(theirs)).all(), (figure, ours, theirs)
        known = ~np.isnan(ours)
        row = self.rows.setdefault(figure, [reference, 0, 0.0])
        row[1] += int(known.sum())
        row[2] = max(row[2], np.abs(ours - theirs)[known].max(initial=0))

    def show(self):
        print(f"{'figure':<32} {'reference':<44} {'compared':>8}  largest difference")
        for figure, (reference, count, difference) in self.rows.items():
            print(f"{figure:<32} {reference:<44} {count:>8}  {difference:.1e}{'' if difference <= LIMIT else '  <--'}")
        return all(difference <= LIMIT for _, _, difference in self.rows.values())


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return json.loads(done.stdout)


def write(folder, x, y, classes):
    os.makedirs(folder, exist_ok=True)
    np.save(os.path.join(folder, "features.npy"), x.astype(np.float32))
    np.save(os.path.join(folder, "labels.npy"), y.astype(np.int64))
    with open(os.path.join(folder, "classes.txt"), "w") as names:
        names.writelines(f"class {k}\n" for k in range(classes))
    return folder


def unbroken(scores):
    """Falling scores, ties by rising index: what the program does and the others leave open."""
    return np.argsort(-scores, axis=1, kind="stable")


def check_classifier(table, ours, p, y, top5=None, what=""):
    """The seven figures; p: probabilities [n, classes]."""
    classes = np.arange(p.shape[1])
    order = unbroken(p)
    places = -np.argsort(order, axis=1).astype(float)  # without ties
    table.add(f"{what}top-1", "sklearn accuracy_score", ours["top1"], accuracy_score(y, p.argmax(1)))
    if top5 is None:
        top5 = 1.0 if len(classes) <= 5 else top_k_accuracy_score(y, places, k=5, labels=classes)
    table.add(f"{what}top-5", "sklearn top_k_accuracy_score", ours["top5"], top5)
    table.add(f"{what}mean per class", "sklearn balanced_accuracy_score", ours["mean_per_class"],
              balanced_accuracy_score(y, p.argmax(1)))
    table.add(f"{what}NLL", "sklearn log_loss", ours["nll"], log_loss(y, p, labels=classes))
    table.add(f"{what}ECE", "torchmetrics calibration_error", ours["ece"], ece(p, y))


def binned(p, hit):
    """Expected calibration error of probabilities p. torchmetrics' multiclass form rounds to single precision, its bins'
    edges too; its binary form is the same sum in double. A share of votes on an edge is put there whatever its last
    bit."""
    edges = torch.linspace(0, 1, 16).numpy()
    upper = np.ceil(p * 15).astype(int)
    p = np.where(upper - p * 15 <= 1e-6, edges[upper], p)
    return binary_calibration_error(torch.tensor(p), torch.tensor(hit.astype(int)), n_bins=15, norm="l1").item()


def ece(p, y):
    return binned(p.max(1), p.argmax(1) == y)


def classwise(p, y):
    return np.mean([binned(p[:, k], y == k) for k in range(p.shape[1])])


# ---- probabilities: zeroshot and calibrate ---------------------------------------------------------------------------

def logit_sets(rng):
    """Name, logits and labels to fit on, logits and labels to judge by."""
    for name, n, classes in (("random", 400, 10), ("two", 200, 2), ("many", 600, 100), ("small", 7, 4)):
        z = rng.normal(size=(2 * n, classes)) * 2
        y = np.array([rng.choice(classes, p=softmax(row)) for row in z / 3])
        yield name, z[:n], y[:n], z[n:], y[n:]
    z = rng.integers(0, 3, size=(300, 8)).astype(float)
    yield "ties", z[:150], rng.integers(0, 8, 150), z[150:], rng.integers(0, 8, 150)
    z = rng.normal(size=(120, 9))
    yield "empty classes", z[:60], rng.integers(0, 3, 60), z[60:], rng.integers(2, 5, 60)
    z = rng.normal(size=(24, 12))
    yield "one image a class", z[:12], rng.permutation(12), z[12:], rng.permutation(12)
    yield "constant", np.ones((30, 3)), rng.integers(0, 3, 30), np.ones((30, 3)), rng.integers(0, 3, 30)
    z = rng.normal(size=(100, 6))
    z[np.arange(100), np.arange(100) % 6] += 30  # probabilities of 1, but for rounding
    yield "certain", z[:50], np.arange(50) % 6, z[50:], np.arange(50, 100) % 6


def compare_calibration(table, folder, rng):
    for _, zv, yv, zt, yt in logit_sets(rng):
        zv, zt = zv.astype(np.float32).astype(float), zt.astype(np.float32).astype(float)
        classes = zv.shape[1]
        ours = run("calibrate", "--val", write(f"{folder}/val", zv, yv, classes), "--test",
                   write(f"{folder}/test", zt, yt, classes))

        def nll(log_inverse, z=zv, y=yv):
            return -log_softmax(z * np.exp(log_inverse), axis=1)[np.arange(len(y)), y].mean()

        best = minimize_scalar(nll, bounds=(np.log(1e-3), np.log(1e3)), method="bounded", options={"xatol": 1e-12})
        table.add("smallest NLL by temperature", "scipy minimize_scalar", nll(-np.log(ours["temperature"])), best.fun)
        for side, temperature in (("before", 1), ("after", ours["temperature"])):
            p, o = softmax(zt / temperature, axis=1), ours[side]
            labels = np.arange(classes)
            exact = -log_softmax(zt / temperature, axis=1)[np.arange(len(yt)), yt].mean()
            clipped = p[np.arange(len(yt)), yt].min() < 1e-15  # log_loss clips there
            table.add("scaled NLL" if side == "after" else "NLL", "sklearn log_loss", o["nll"],
                      exact if clipped else log_loss(yt, p, labels=labels))
            table.add("Brier score", "sklearn brier_score_loss", o["brier"],
                      brier_score_loss(yt, p, labels=labels, scale_by_half=False))
            table.add("ECE", "torchmetrics calibration_error", o["ece"], ece(p, yt))
            table.add("class-wise ECE", "torchmetrics calibration_error", o["classwise_ece"], classwise(p, yt))


def compare_zeroshot(table, folder, rng):
    for n, classes, d, kind in ((300, 20, 16, "any"), (200, 2, 8, "any"), (250, 12, 6, "ties"), (90, 40, 5, "any"),
                                (60, 9, 4, "constant")):
        x, w = rng.normal(size=(n, d)).astype(np.float32), rng.normal(size=(classes, d)).astype(np.float32)
        if kind == "ties":  # four features of 1 or -1: similarities are exact
            x, w = exact_rows(rng, n, d), exact_rows(rng, classes, d)
        if kind == "constant":
            x[:] = 1
        y = rng.integers(0, classes - (kind == "any" and classes == 40) * 25, n)
        np.save(f"{folder}/names.npy", w)
        ours = run("zeroshot", "--test", write(f"{folder}/test", x, y, classes), "--embeddings",
                   f"{folder}/names.npy", "--scale", "10")
        check_classifier(table, ours, softmax(10 * cosine_similarity(x.astype(float), w.astype(float)), axis=1), y)


# ---- neighbours ------------------------------------------------------------------------------------------------------

def exact_rows(rng, n, d):
    """Four features of 1 or -1, the others 0: cosines are exact, and full of ties."""
    x = np.zeros((n, d), np.float32)
    for row in x:
        row[rng.permutation(d)[:4]] = rng.choice([-1, 1], 4)
    return x


def neighbour_sets(rng):
    """Name, train, labels, test, labels, classes; similarities differ by more than float sums err, or not at all."""
    kinds = (("random", 150, 60, 32, 10, 10), ("wide", 60, 40, 300, 5, 5), ("two classes", 80, 50, 10, 2, 2),
             ("many classes", 120, 60, 24, 40, 40), ("ties", 140, 60, 6, 7, 7), ("constant", 30, 12, 5, 3, 3),
             ("zeros", 60, 30, 9, 6, 6), ("one image a class", 9, 20, 12, 9, 9), ("empty classes", 70, 50, 20, 8, 5),
             ("one sample", 1, 5, 4, 2, 1))
    for name, n, queries, d, classes, filled in kinds:
        while True:
            y, qy = np.arange(n) % filled, rng.integers(0, classes, queries)
            qy[0] = 0  # it has something to find
            centres = rng.normal(size=(classes, d)) * 0.7
            x, q = centres[y] + rng.normal(size=(n, d)), centres[qy] + rng.normal(size=(queries, d))
            if name == "ties":
                x, q = exact_rows(rng, n, d), exact_rows(rng, queries, d)
            if name == "constant":
                x[:], q[:] = 3, 3
            if name == "zeros":
                x[4], q[7] = 0, 0
            x, q = x.astype(np.float32), q.astype(np.float32)
            scores = np.sort(np.vstack([cosine(q, x), cosine(x, x)]), axis=1)
            gaps = np.diff(scores, axis=1)
            if gaps[gaps > 1e-12].min(initial=1) > 4e-7:
                break
        yield name, x, y, q, qy, classes


def cosine(a, b):
    return cosine_similarity(a.astype(float), b.astype(float)).round(14)


def compare_knn(table, folder, rng):
    for name, x, y, q, qy, classes in neighbour_sets(rng):
        if len(np.unique(y)) < classes:
            continue  # refused: a class without a row to learn from
        train, test = write(f"{folder}/train", x, y, classes), write(f"{folder}/test", q, qy, classes)
        ks = [k for k in (1, 5, 20) if k <= len(x)]
        ours = run("knn", "--train", train, "--test", test, "--k", ",".join(map(str, ks)))
        # Places for distances: they have no ties. Weights come from the similarities at these places.
        order = unbroken(cosine(q, x))
        sorted_scores = np.take_along_axis(cosine(q, x), order, 1)
        places = np.argsort(order, axis=1).astype(float)

        def weights(place, s=sorted_scores):
            near = np.take_along_axis(s, place.astype(int), 1)
            return np.exp((near - near[:, :1]) / TEMPERATURE)

        for trial, k in zip(ours["k_list"], ks):
            model = KNeighborsClassifier(k, weights=weights, metric="precomputed", algorithm="brute")
            model.fit(np.zeros((len(x), len(x))), y)
            p = model.predict_proba(places)
            voted = p[np.arange(len(qy)), qy] > 0  # a class without a vote is in no top five
            rank = np.argmax(unbroken(p) == qy[:, None], axis=1)
            check_classifier(table, trial, p, qy, top5=((rank < 5) & voted).mean(), what="k-NN: ")
        unit = normalize(x.astype(float))
        if np.ptp(unit, axis=0).max() > 0:
            centres = NearestCentroid().fit(unit, y).centroids_
        else:  # refused by scikit-learn
            centres = unit[:classes]
        p = softmax(cosine_similarity(q.astype(float), centres).round(14) / TEMPERATURE, axis=1)
        check_classifier(table, ours["class_mean"], p, qy, what="class mean: ")


def compare_retrieval(table, folder, rng):
    ks = (1, 5, 20)
    for name, x, y, q, qy, classes in neighbour_sets(rng):
        gallery = write(f"{folder}/gallery", x, y, classes)
        for split in ("query", "leave one out"):
            alone = split != "query"
            queries, labels = (x, y) if alone else (q, qy)
            scores = cosine(queries, x)
            order = unbroken(scores)
            if alone:
                if len(x) <= classes:
                    continue  # refused: nobody has anything to find
                order = order[order != np.arange(len(x))[:, None]].reshape(len(x), -1)
            target = torch.tensor((y[order] == labels[:, None]).flatten())
            n = order.shape[1]
            preds = torch.arange(n, 0, -1).double().repeat(len(queries))  # torchmetrics leaves the order of ties open
            index = torch.arange(len(queries)).repeat_interleave(n)
            for empty, action in (("skip", "skip"), ("zero", "neg")):
                arguments = ["--gallery", gallery, "--k", "1,5,20", "--empty", empty]
                if not alone:
                    arguments += ["--query", write(f"{folder}/query", q, qy, classes)]
                ours = run("retrieve", *arguments)

                def theirs(metric):
                    return metric(preds, target, indexes=index).item()

                table.add("retrieval: mAP", "torchmetrics RetrievalMAP", ours["map"], theirs(RetrievalMAP(action)))
                table.add("retrieval: MRR", "torchmetrics RetrievalMRR", ours["mrr"], theirs(RetrievalMRR(action)))
                for k, at in zip(ks, ours["at_k"]):
                    table.add("retrieval: P@k", "torchmetrics RetrievalPrecision", at["precision"],
                              theirs(RetrievalPrecision(action, top_k=k)))
                    table.add("retrieval: R@k", "torchmetrics RetrievalRecall", at["recall"],
                              theirs(RetrievalRecall(action, top_k=k)))


# ---- few-shot --------------------------------------------------------------------------------------------------------

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def stream(seed, text, number):
    """The program's random bits (images/random.h)."""
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    state = mix((state + mix((seed + GOLDEN * (number + 1)) & MASK)) & MASK)
    while True:
        state = (state + GOLDEN) & MASK
        yield mix(state)


def draw(y, shots, seed):
    """Rows of a few-shot draw, by the program's own generator."""
    rows = []
    for k in range(y.max() + 1):
        left, bits = list(np.flatnonzero(y == k)), stream(seed, "fewshot", k)
        for i in range(shots):
            j = i + next(bits) % (len(left) - i)
            left[i], left[j] = left[j], left[i]
        rows += left[:shots]
    return np.array(rows)


def compare_fewshot(table, folder, rng):
    for classes, d, n in ((10, 32, 200), (2, 6, 60), (5, 12, 30)):
        centres = rng.normal(size=(classes, d))
        y, ty = np.arange(n) % classes, rng.integers(0, classes, 300)
        x, t = centres[y] + rng.normal(size=(n, d)), centres[ty] + rng.normal(size=(300, d))
        x, t = x.astype(np.float32).astype(float), t.astype(np.float32).astype(float)
        ours = run("fewshot", "--train", write(f"{folder}/train", x, y, classes), "--test",
                   write(f"{folder}/test", t, ty, classes), "--shots", "1,2,4", "--repeats", "4")
        for trial in ours["shots"]:
            values = [one["top1"] for one in trial["draws"]]
            ends = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
            if np.ptp(values) > 0:
                table.add("few-shot: 95 % interval", "scipy t.interval", [trial["top1"]["low"], trial["top1"]["high"]],
                          ends)
            for one in trial["draws"]:
                rows = draw(y, trial["shots"], one["seed"])
                model = LogisticRegression(C=1, tol=1e-10, max_iter=20000).fit(x[rows], y[rows])
                table.add("few-shot: top-1", "sklearn LogisticRegression", one["top1"], model.score(t, ty))
                table.add("few-shot: NLL", "sklearn LogisticRegression", one["nll"],
                          log_loss(ty, model.predict_proba(t), labels=np.arange(classes)))


# ---- comparison ------------------------------------------------------------------------------------------------------

def compare_tables(table, folder, rng):
    for n, tasks, decimals in ((6, 5, 4), (9, 4, 1), (3, 3, 0), (12, 6, 2)):
        scores = rng.random((n, tasks)).round(decimals)
        scores[:, 0] = rng.random(n)
        scores[0, 1] += 1  # no task is all alike
        with open(f"{folder}/scores.csv", "w") as file:
            file.write("backbone,task,score,better\n")
            file.writelines(f"b{i},t{j},{float(scores[i, j])!r},higher\n" for i in range(n) for j in range(tasks))
        ours = run("battle", "--results", f"{folder}/scores.csv", "--out", f"{folder}/battle{n}", "--quiet")
        by_name = {b["name"]: b for b in ours["backbones"]}
        for j in range(tasks):
            task = f"t{j}"
            table.add("ranks", "scipy rankdata", [by_name[f"b{i}"]["ranks"][task] for i in range(n)],
                      stats.rankdata(-scores[:, j]))
            z = np.zeros(n) if np.ptp(scores[:, j]) == 0 else stats.zscore(scores[:, j])
            table.add("z-scores", "scipy zscore", [by_name[f"b{i}"]["z"][task] for i in range(n)], z)
            for i in range(tasks):
                pair = scores[:, i], scores[:, j]
                defined = np.ptp(pair[0]) > 0 and np.ptp(pair[1]) > 0
                none = float("nan")
                rho, tau = ours["spearman"][i][j], ours["kendall"][i][j]
                table.add("Spearman's rho", "scipy spearmanr", none if rho is None else rho,
                          stats.spearmanr(*pair).statistic if defined else none)
                table.add("Kendall's tau-b", "scipy kendalltau", none if tau is None else tau,
                          stats.kendalltau(*pair).statistic if defined else none)


def mid_p(b, c):
    """statsmodels has the exact test; the mid-p takes half of the observed tables' probability off each tail."""
    observed = stats.binom.pmf(min(b, c), b + c, 0.5)
    return mcnemar([[0, b], [c, 0]], exact=True).pvalue - (observed / 2 if b == c else observed) if b + c else 1


def compare_tests(table, folder):
    subprocess.run([PROGRAM, "demo-data", f"{folder}/photos", "--per-class", "12", "--size", "32", "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    weights = [f"--weights=seeded:{name}" for name in ("resnet8_cifar", "resnet14_cifar", "resnet20_cifar")]
    ours = run("battle", *weights, "--data", f"{folder}/photos", "--out", f"{folder}/fight", "--quiet", "--tasks",
               "probe,knn,class_mean", "--C", "1")
    p = [test["p"] for test in ours["tests"]]
    table.add("McNemar's mid-p", "statsmodels mcnemar, scipy binom", p,
              [mid_p(test["only_first"], test["only_other"]) for test in ours["tests"]])
    table.add("Holm's adjustment", "statsmodels multipletests", [test["p_adjusted"] for test in ours["tests"]],
              multipletests(p, method="holm")[1])


def main():
    table = Agreement()
    rng = np.random.default_rng(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    with tempfile.TemporaryDirectory() as folder:
        compare_zeroshot(table, folder, rng)
        compare_calibration(table, folder, rng)
        compare_knn(table, folder, rng)
        compare_retrieval(table, folder, rng)
        compare_fewshot(table, folder, rng)
        compare_tables(table, folder, rng)
        compare_tests(table, folder)
    sys.exit(0 if table.show() else 1)


if __name__ == "__main__":
    main()
