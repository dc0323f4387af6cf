"""What k-NN, nearest class means and retrieval should give, in numpy, scikit-learn and torchmetrics, all in double.

Needs numpy 2.4.6, scikit-learn 1.9.1, torch 2.15.0, torchmetrics 1.9.0.
"""
import warnings

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.retrieval import RetrievalMAP, RetrievalMRR, RetrievalPrecision, RetrievalRecall

torch.set_default_dtype(torch.float64)


def unit(x):
    """Rows of length 1; rows of zeros stay."""
    x = x.astype(np.float64)
    norm = np.sqrt((x * x).sum(1, keepdims=True))
    return x / np.where(norm > 0, norm, 1)


def ranking(scores):
    """Falling score, then rising index."""
    return np.argsort(-scores, axis=1, kind="stable")


def classifier_figures(p, y, voted):
    """correct, top-5, mean of the recalls, NLL (clipped as log_loss does), ECE."""
    n, classes = p.shape
    order = ranking(p)
    rank = np.argmax(order == y[:, None], axis=1)
    top5 = (rank < 5) & voted[np.arange(n), y]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that do not occur
        recall = balanced_accuracy_score(y, order[:, 0])
    nll = log_loss(y, p, labels=np.arange(classes))
    if classes > 1:
        ece = multiclass_calibration_error(torch.tensor(p), torch.tensor(y), classes, n_bins=15, norm="l1").item()
    return [int((rank == 0).sum()), top5.mean(), recall, nll, ece]


def knn(train, train_y, test, test_y, classes, k, temperature):
    """DINO's eval_knn.py: the k nearest vote with exp(s / T)."""
    scores = unit(test) @ unit(train).T
    nearest = ranking(scores)[:, :k]
    s = np.take_along_axis(scores, nearest, 1)
    votes = np.zeros((len(test), classes))
    for j in range(k):
        np.add.at(votes, (np.arange(len(test)), train_y[nearest[:, j]]), np.exp((s[:, j] - s[:, 0]) / temperature))
    return classifier_figures(votes / votes.sum(1, keepdims=True), test_y, votes > 0)


def class_mean(train, train_y, test, test_y, classes, temperature):
    means = np.stack([unit(train)[train_y == k].sum(0) for k in range(classes)])
    z = unit(test) @ unit64(means).T / temperature
    p = np.exp(z - z.max(1, keepdims=True))
    return classifier_figures(p / p.sum(1, keepdims=True), test_y, p >= 0)


def unit64(x):
    norm = np.sqrt((x * x).sum(1, keepdims=True))
    return x / np.where(norm > 0, norm, 1)


def retrieval(gallery, gallery_y, query, query_y, ks, empty, leave_one_out):
    """mAP, mAP@R, MRR, then precision and recall at each k; per query: average precisions."""
    scores = unit(query) @ unit(gallery).T
    order = ranking(scores)
    if leave_one_out:
        order = order[order != np.arange(len(query))[:, None]].reshape(len(query), -1)
    target = gallery_y[order] == query_y[:, None]
    n = target.shape[1]
    # torchmetrics sorts by score, ties in any order: it gets positions for scores.
    preds = torch.arange(n, 0, -1).double().repeat(len(query))
    index = torch.arange(len(query)).repeat_interleave(n)
    truth = torch.tensor(target).flatten()
    action = {"skip": "skip", "zero": "neg"}[empty]

    def run(metric):
        return metric(preds, truth, indexes=index).item()

    found = target.cumsum(1)
    r = target.sum(1)
    precision = np.where(target, found / np.arange(1, n + 1), 0)
    at_r = np.array([row[:m].sum() / m if m else 0 for row, m in zip(precision, r)])
    figures = [run(RetrievalMAP(action)), (at_r if empty == "zero" else at_r[r > 0]).mean(), run(RetrievalMRR(action))]
    for k in ks:
        figures += [run(RetrievalPrecision(action, top_k=k)), run(RetrievalRecall(action, top_k=k))]
    return figures, precision.sum(1) / np.where(r, r, 1)
