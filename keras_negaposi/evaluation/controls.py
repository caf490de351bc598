"""Controls: a classifier that must be at chance, scores with A and B swapped, and scores without information."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import Interval, Predictions
from keras_negaposi.evaluation.text_baselines import fit_and_score
from keras_negaposi.serving.scorer import Scorer

SHUFFLES = 10
"""Linear probes on shuffled labels: if even the worst of them is above chance, p < 0.001."""
MOST_SWAPPED = 500
"""Test pairs that are scored again as (B, A): enough for shares within about four points."""


@dataclasses.dataclass(frozen=True)
class OrderSwapControl:
    """Predictions for the same pairs with A and B swapped. The fields are keys of ``metrics.json``.

    Attributes:
        pairs: number of pairs that were swapped.
        answer_stays: share of them whose prediction is the same; near 1, the model measures similarity, not order.
        yes_stays: the same share among those that were predicted 1.
    """

    pairs: int
    answer_stays: float
    yes_stays: float


@dataclasses.dataclass(frozen=True)
class Degenerate:
    """Signs that the scores carry no information. The fields are keys of ``metrics.json``.

    Attributes:
        distinct_scores: number of different scores.
        largest_tie: share of the pairs that have the most frequent score.
        one_answer: whether all predictions are the same.
    """

    distinct_scores: int
    largest_tie: float
    one_answer: bool


def shuffled_labels(
    features: tuple[np.ndarray, np.ndarray], train_labels: np.ndarray, labels: np.ndarray, seed: int
) -> Interval:
    """Returns the accuracy of linear probes trained on shuffled labels: at chance, unless the evaluation is faulty.

    A single probe may be above chance by more than the test pairs' sampling error, because its shuffled labels happen
    to agree with the true ones. So several are trained.

    Args:
        features: the linear probe's features of its training pairs and of the test pairs.
        train_labels: the labels of those training pairs, which are shuffled.
        labels: the true labels of the test pairs.
        seed: seed of the shuffling.

    Returns:
        The mean accuracy, and the range that 95 % of the probes are in.
    """
    rng = np.random.default_rng(seed)
    probes = (Predictions(labels, fit_and_score(*features, rng.permutation(train_labels))) for _ in range(SHUFFLES))
    accuracies = [probe.correct.mean() for probe in probes]
    return Interval(float(np.mean(accuracies)), *np.percentile(accuracies, (2.5, 97.5)).tolist())


def swap(
    scorer: Scorer,
    texts: dict[str, str],
    pairs: Sequence[Pair],
    predictions: Predictions,
    batch_size: int,
    seed: int,
) -> OrderSwapControl:
    """Scores (B, A) for up to `MOST_SWAPPED` pairs (A, B), drawn at random, and compares the predictions."""
    rows = np.random.default_rng(seed).permutation(len(pairs))[:MOST_SWAPPED]
    swapped = ((texts[pairs[row].b], texts[pairs[row].a]) for row in rows)
    tick = Ticker("scoring the swapped pairs", len(rows))
    predicted = np.array([label for _, label in tick.watch(scorer.stream(swapped, batch_size))]) == 1
    yes = predictions.predicted[rows]
    still_yes = float(predicted[yes].mean()) if yes.any() else float("nan")
    return OrderSwapControl(len(rows), float((predicted == yes).mean()), still_yes)


def degenerate(predictions: Predictions) -> Degenerate:
    """Counts distinct scores, ties and predictions."""
    _, counts = np.unique(predictions.probabilities, return_counts=True)
    predicted = predictions.predicted
    return Degenerate(len(counts), float(counts.max() / len(predicted)), bool(predicted.all() or not predicted.any()))
