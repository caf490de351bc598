"""How sure the figures are: bootstrap intervals that resample documents, and the exact McNemar test."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest

RESAMPLES = 1000
LEVEL = 0.95
BINS = 10
"""Equally wide bins of the expected calibration error."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A figure with its 95 % bootstrap percentile interval; NaN where the figure is not defined."""

    value: float
    low: float
    high: float

    def percent(self) -> str:
        """``95.1 % (94.0-96.0)``."""
        return f"{self.value:.1%} ({100 * self.low:.1f}-{100 * self.high:.1f})".replace("%", " %", 1)


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a classifier says of the pairs of a part.

    Attributes:
        labels: ``int [pairs]``.
        probabilities: ``float [pairs]``, that B comes next.
        threshold: above it B is held to come next.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    threshold: float = 0.5

    @property
    def predicted(self) -> np.ndarray:
        """``bool [pairs]``, whether B is held to come next."""
        return self.probabilities > self.threshold

    @functools.cached_property
    def ranks(self) -> np.ndarray:
        """``int [pairs]``, the score's place among the distinct scores, from 0."""
        return np.unique(self.probabilities, return_inverse=True)[1]

    @property
    def correct(self) -> np.ndarray:
        """``bool [pairs]``."""
        return self.predicted == (self.labels == 1)


Metric = Callable[[Predictions, np.ndarray], float]


def accuracy(predictions: Predictions, weights: np.ndarray) -> float:
    """Share of the pairs that are right."""
    return _share(predictions.correct, np.ones_like(predictions.correct), weights)


def precision(predictions: Predictions, weights: np.ndarray) -> float:
    """Share of label 1 among those held to be 1."""
    return _share(predictions.labels == 1, predictions.predicted, weights)


def recall(predictions: Predictions, weights: np.ndarray) -> float:
    """Share of those held to be 1 among label 1."""
    return _share(predictions.predicted, predictions.labels == 1, weights)


def f1(predictions: Predictions, weights: np.ndarray) -> float:
    """Harmonic mean of precision and recall."""
    found = weights[predictions.predicted & (predictions.labels == 1)].sum()
    return _ratio(2 * found, weights[predictions.predicted].sum() + weights[predictions.labels == 1].sum())


def roc_auc(predictions: Predictions, weights: np.ndarray) -> float:
    """Area under the ROC curve: how often a label 1 scores above a label 0, ties counting half."""
    ones, zeros = _by_score(predictions, weights)
    above = ones * (np.cumsum(zeros) - zeros / 2)
    return _ratio(above.sum(), ones.sum() * zeros.sum())


def pr_auc(predictions: Predictions, weights: np.ndarray) -> float:
    """Average precision: the area under the precision-recall curve without interpolation."""
    ones, zeros = (side[::-1] for side in _by_score(predictions, weights))
    if not zeros.sum():
        return float("nan")
    found = np.cumsum(ones)
    with np.errstate(invalid="ignore"):
        precisions = np.nan_to_num(found / (found + np.cumsum(zeros)))
    return _ratio((ones * precisions).sum(), ones.sum())


def brier(predictions: Predictions, weights: np.ndarray) -> float:
    """Mean squared distance of probability and label: 0 is best, 0.25 is always saying one half."""
    return float(weights @ (predictions.probabilities - predictions.labels) ** 2 / weights.sum())


def calibration_error(predictions: Predictions, weights: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015) of the probability that B comes next, in `BINS` bins."""
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
    """Weights of the pairs in bootstrap resamples of documents, ``float64 [resamples, pairs]``.

    Documents are drawn with replacement. A pair within a document counts as often as the document was drawn, a pair of
    two documents as often as both together: the pigeonhole bootstrap, which is right or a little wide for data with
    two crossed factors (Owen 2007, arXiv 0708.1630).

    Args:
        documents: of A and of B, a pair.
        seed: of the draws.
        resamples: how many.
    """
    names = {name: number for number, name in enumerate(sorted({name for pair in documents for name in pair}))}
    a, b = (np.array([names[pair[side]] for pair in documents]) for side in (0, 1))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), resamples).astype(np.float64)
    return np.where(a == b, drawn[:, a], drawn[:, a] * drawn[:, b])


def interval(predictions: Predictions, weights: np.ndarray, metric: Metric) -> Interval:
    """One figure with its interval.

    Args:
        predictions: of the pairs.
        weights: as `document_weights` gives them.
        metric: one of `METRICS`.
    """
    values = [metric(predictions, row) for row in weights if row.any()]
    ends = 100 * np.array([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.nanpercentile(values, ends) if not np.isnan(values).all() else (np.nan, np.nan)
    return Interval(metric(predictions, np.ones(weights.shape[1])), float(low), float(high))


def intervals(predictions: Predictions, weights: np.ndarray) -> dict[str, Interval]:
    """Every figure of `METRICS` with its interval."""
    return {name: interval(predictions, weights, metric) for name, metric in METRICS.items()}


@dataclasses.dataclass(frozen=True)
class McNemar:
    """Exact McNemar test of two classifiers on the same pairs: only pairs on which one alone is right count."""

    first_alone: int
    second_alone: int
    p_value: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Tests whether two classifiers (``bool [pairs]`` each: right or not) differ; two-sided, exact."""
    first = int((first_right & ~second_right).sum())
    second = int((second_right & ~first_right).sum())
    p_value = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    return McNemar(first, second, float(p_value))


def _share(part: np.ndarray, whole: np.ndarray, weights: np.ndarray) -> float:
    return _ratio(weights[whole & part].sum(), weights[whole].sum())


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _by_score(predictions: Predictions, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of label 1 and of label 0 at each distinct score, from the lowest up."""
    rank = predictions.ranks
    ones = predictions.labels == 1
    size = int(rank.max()) + 1
    return np.bincount(rank[ones], weights[ones], size), np.bincount(rank[~ones], weights[~ones], size)
