"""Controls: a classifier that must be at chance, scores with A and B swapped, and scores without information."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, interval
from keras_negaposi.evaluation.text_baselines import fit_and_score
from keras_negaposi.serving.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class OrderSwapControl:
    """Predictions for the same pairs with A and B swapped. The fields are keys of ``metrics.json``.

    Attributes:
        answer_stays: share of the pairs whose prediction is the same; near 1, the model measures similarity, not order.
        yes_stays: the same share among the pairs that were predicted 1.
    """

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
    features: tuple[np.ndarray, np.ndarray],
    train_labels: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    seed: int,
) -> Interval:
    """Returns the accuracy of a linear probe trained on shuffled labels: chance, unless the evaluation is faulty.

    Args:
        features: the linear probe's features of its training pairs and of the test pairs.
        train_labels: the labels of those training pairs, which are shuffled.
        labels: the true labels of the test pairs.
        weights: ``float64 [resamples, test pairs]``.
        seed: seed of the shuffling.
    """
    shuffled = np.random.default_rng(seed).permutation(train_labels)
    return interval(Predictions(labels, fit_and_score(*features, shuffled)), weights, accuracy)


def swap(
    scorer: Scorer, texts: dict[str, str], pairs: Sequence[Pair], predictions: Predictions, batch_size: int
) -> OrderSwapControl:
    """Scores (B, A) for every pair (A, B) and compares the predictions."""
    swapped = ((texts[pair.b], texts[pair.a]) for pair in pairs)
    tick = Ticker("scoring the swapped pairs", len(pairs))
    predicted = np.array([label for _, label in tick.watch(scorer.stream(swapped, batch_size))]) == 1
    yes = predictions.predicted
    still_yes = float(predicted[yes].mean()) if yes.any() else float("nan")
    return OrderSwapControl(float((predicted == yes).mean()), still_yes)


def degenerate(predictions: Predictions) -> Degenerate:
    """Counts distinct scores, ties and predictions."""
    _, counts = np.unique(predictions.probabilities, return_counts=True)
    predicted = predictions.predicted
    return Degenerate(len(counts), float(counts.max() / len(predicted)), bool(predicted.all() or not predicted.any()))
