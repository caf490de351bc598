"""Controls: what must be at chance, what tells "similar" from "comes next", and scores that say nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, interval
from keras_negaposi.evaluation.text_baselines import fit_and_score, labels_of
from keras_negaposi.serving.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class OrderSwapControl:
    """The same pairs with A and B exchanged.

    Attributes:
        answer_stays: share of the pairs whose answer is the same; near 1 means "similar", not "comes next".
        yes_stays: the same among the pairs that were held to be a yes.
    """

    answer_stays: float
    yes_stays: float


@dataclasses.dataclass(frozen=True)
class Degenerate:
    """Whether the scores say anything."""

    distinct_scores: int
    largest_tie: float
    one_answer: bool


def shuffled_labels(
    features: tuple[np.ndarray, np.ndarray], train: Sequence[Pair], labels: np.ndarray, weights: np.ndarray, seed: int
) -> Interval:
    """Accuracy of the frozen baseline trained on shuffled labels: chance, unless the evaluation itself is at fault.

    Args:
        features: of the training and of the test pairs.
        train: whose labels are shuffled.
        labels: of the test pairs, as they are.
        weights: ``float64 [resamples, test pairs]``.
        seed: of the shuffling.
    """
    shuffled = np.random.default_rng(seed).permutation(labels_of(train))
    return interval(Predictions(labels, fit_and_score(*features, shuffled)), weights, accuracy)


def swap(
    scorer: Scorer, texts: dict[str, str], pairs: Sequence[Pair], predictions: Predictions, batch_size: int
) -> OrderSwapControl:
    """Scores (B, A) for every pair (A, B)."""
    exchanged = ((texts[pair.b], texts[pair.a]) for pair in pairs)
    tick = Ticker("scoring the exchanged pairs", len(pairs))
    predicted = np.array([label for _, label in tick.watch(scorer.stream(exchanged, batch_size))]) == 1
    yes = predictions.predicted
    still_yes = float(predicted[yes].mean()) if yes.any() else float("nan")
    return OrderSwapControl(float((predicted == yes).mean()), still_yes)


def degenerate(predictions: Predictions) -> Degenerate:
    """Counts distinct scores and ties."""
    _, counts = np.unique(predictions.probabilities, return_counts=True)
    predicted = predictions.predicted
    return Degenerate(len(counts), float(counts.max() / len(predicted)), bool(predicted.all() or not predicted.any()))
