"""Weighted metrics, their confidence intervals from a bootstrap over documents, and the exact McNemar test.

A bootstrap resample is a vector of weights: how often each pair occurs in it. Every metric is therefore a function of
predictions and weights, ``float64 [pairs]``. They are not scikit-learn's functions with ``sample_weight``, because each
is called `RESAMPLES` times on the same predictions. Ours rank the scores once for all resamples and validate nothing
again, which makes them 60 times faster. The tests compare them with scikit-learn's.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest

RESAMPLES = 1000
LEVEL = 0.95
BINS = 10
"""Number of equally wide bins of the expected calibration error."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A metric with its 95 % bootstrap percentile interval; NaN if the metric is not defined.

    The fields are keys of ``metrics.json``.
    """

    value: float
    low: float
    high: float

    def percent(self) -> str:
        """Returns ``95.1 % (94.0-96.0)``."""
        return f"{self.value:.1%} ({100 * self.low:.1f}-{100 * self.high:.1f})".replace("%", " %", 1)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """A classifier's predictions for the pairs of a part.

    Attributes:
        labels: ``int [pairs]``.
        probabilities: ``float [pairs]``, the probabilities that B comes next.
        threshold: the classifier predicts 1 (B comes next) above it.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    threshold: float = 0.5

    @property
    def predicted(self) -> np.ndarray:
        """``bool [pairs]``, whether the prediction is 1 (B comes next)."""
        return self.probabilities > self.threshold

    @functools.cached_property
    def ranks(self) -> np.ndarray:
        """``int [pairs]``, the rank of the score among the distinct scores, from 0 for the lowest."""
        return np.unique(self.probabilities, return_inverse=True)[1]

    @property
    def correct(self) -> np.ndarray:
        """``bool [pairs]``, whether the prediction equals the label."""
        return self.predicted == (self.labels == 1)


Metric = Callable[[Predictions, np.ndarray], float]


def accuracy(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the share of correct predictions."""
    return _share(predictions.correct, np.ones_like(predictions.correct), weights)


def precision(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the share of label 1 among the pairs predicted 1."""
    return _share(predictions.labels == 1, predictions.predicted, weights)


def recall(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the share of the pairs with label 1 that are predicted 1."""
    return _share(predictions.predicted, predictions.labels == 1, weights)


def f1(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the harmonic mean of precision and recall."""
    true_positives = weights[predictions.predicted & (predictions.labels == 1)].sum()
    return _ratio(2 * true_positives, weights[predictions.predicted].sum() + weights[predictions.labels == 1].sum())


def roc_auc(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the area under the ROC curve: how often label 1 scores above label 0, where ties count half."""
    ones, zeros = _by_score(predictions, weights)
    above = ones * (np.cumsum(zeros) - zeros / 2)
    return _ratio(above.sum(), ones.sum() * zeros.sum())


def pr_auc(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the average precision: the area under the precision-recall curve without interpolation."""
    ones, zeros = (side[::-1] for side in _by_score(predictions, weights))
    if not zeros.sum():
        return float("nan")
    true_positives = np.cumsum(ones)
    with np.errstate(invalid="ignore"):
        precisions = np.nan_to_num(true_positives / (true_positives + np.cumsum(zeros)))
    return _ratio((ones * precisions).sum(), ones.sum())


def brier(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the mean squared error of the probability: 0 is best, always predicting 0.5 gives 0.25."""
    return float(weights @ (predictions.probabilities - predictions.labels) ** 2 / weights.sum())


def calibration_error(predictions: Predictions, weights: np.ndarray) -> float:
    """Returns the expected calibration error (Naeini et al. 2015) of the probability that B comes next."""
    bins = np.minimum((predictions.probabilities * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, weights * (predictions.probabilities - predictions.labels), BINS)
    return float(np.abs(gaps).sum() / weights.sum())


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "roc_auc": roc_auc,
    "pr_auc": pr_auc,
    "brier": brier,
    "ece": calibration_error,
}


def document_weights(documents: Sequence[tuple[str, str]], seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Returns the weights of the pairs in bootstrap resamples of documents, ``float64 [resamples, pairs]``.

    Pairs that share a document are not independent, so resampling pairs would give intervals that are too narrow.
    Instead, documents are sampled with replacement. A pair within one document has the number of that document's
    copies as its weight. A pair of two documents has the product of both numbers, as if every copy of one were paired
    with every copy of the other. This is the pigeonhole bootstrap for data with two crossed factors; its intervals are
    accurate or slightly too wide (Owen 2007, arXiv 0708.1630).

    Args:
        documents: the documents of A and of B for each pair.
        seed: seed of the samples.
        resamples: number of resamples.
    """
    names = {name: number for number, name in enumerate(sorted({name for pair in documents for name in pair}))}
    a, b = (np.array([names[pair[side]] for pair in documents]) for side in (0, 1))
    rng = np.random.default_rng(seed)
    copies = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples).astype(np.float64)
    return np.where(a == b, copies[:, a], copies[:, a] * copies[:, b])


def interval(predictions: Predictions, weights: np.ndarray, metric: Metric) -> Interval:
    """Computes a metric with its interval.

    Args:
        predictions: the predictions for the pairs.
        weights: from `document_weights`.
        metric: one of `METRICS`.
    """
    values = [metric(predictions, row) for row in weights if row.any()]
    return Interval(metric(predictions, np.ones(weights.shape[1])), *_ends(values))


def intervals(predictions: Predictions, weights: np.ndarray) -> dict[str, Interval]:
    """Computes every metric of `METRICS` with its interval."""
    return {name: interval(predictions, weights, metric) for name, metric in METRICS.items()}


def paired_difference(first: Predictions, second: Predictions, weights: np.ndarray, metric: Metric) -> Interval:
    """Computes by how much the second's metric exceeds the first's on the same pairs, resampled together.

    Args:
        first: the predictions that are compared with.
        second: the predictions that are compared.
        weights: from `document_weights`.
        metric: one of `METRICS`.
    """
    every = np.ones(weights.shape[1])
    values = [metric(second, row) - metric(first, row) for row in weights if row.any()]
    value = metric(second, every) - metric(first, every)
    return Interval(value, *_ends(values))


@dataclasses.dataclass(frozen=True)
class McNemar:
    """Result of an exact McNemar test of two classifiers, which counts the pairs that only one of them gets correct.

    The fields are keys of ``metrics.json``.
    """

    first_alone: int
    second_alone: int
    p_value: float


def mcnemar(first_correct: np.ndarray, second_correct: np.ndarray) -> McNemar:
    """Tests whether two classifiers differ (two-sided, exact), given where each is correct, ``bool [pairs]``."""
    first = int((first_correct & ~second_correct).sum())
    second = int((second_correct & ~first_correct).sum())
    p_value = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    return McNemar(first, second, float(p_value))


def _ends(values: Sequence[float]) -> tuple[float, float]:
    """Returns the ends of the percentile interval of a metric's values in the resamples."""
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray) -> float:
    """Returns the weighted share of ``part`` in ``whole``, ``bool [pairs]`` each."""
    return _ratio(weights[whole & part].sum(), weights[whole].sum())


def _ratio(part: float, whole: float) -> float:
    """Returns the quotient, NaN if the denominator is 0."""
    return float(part / whole) if whole else float("nan")


def _by_score(predictions: Predictions, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the total weights of label 1 and of label 0 at each distinct score, from the lowest to the highest."""
    rank = predictions.ranks
    ones = predictions.labels == 1
    size = int(rank.max()) + 1
    return np.bincount(rank[ones], weights[ones], size), np.bincount(rank[~ones], weights[~ones], size)
