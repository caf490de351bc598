"""Accuracy by coverage: how accurate the most confident predictions are, if the other pairs are left undecided."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, interval

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclasses.dataclass(frozen=True)
class Coverage:
    """The accuracy on the most confident predictions. The fields are keys of ``metrics.json``.

    Attributes:
        share: of the pairs that are decided.
        pairs: their number.
        accuracy: on them; the bootstrap does not choose them anew.
    """

    share: float
    pairs: int
    accuracy: Interval


def by_coverage(predictions: Predictions, weights: np.ndarray) -> list[Coverage]:
    """Computes the accuracy for every share in `SHARES`.

    Args:
        predictions: for the test pairs.
        weights: ``float64 [resamples, test pairs]``, from `bootstrap.document_weights`.
    """
    order = np.argsort(-margins(predictions), kind="stable")
    found = []
    for share in SHARES:
        chosen = order[: math.ceil(share * len(order))]
        part = Predictions(predictions.labels[chosen], predictions.probabilities[chosen], predictions.threshold)
        found.append(Coverage(share, len(chosen), interval(part, weights[:, chosen], accuracy)))
    return found


def margins(predictions: Predictions) -> np.ndarray:
    """Returns how confident each prediction is: the distance of its logit from the threshold's, ``float64 [pairs]``."""
    return np.abs(_logits(predictions.probabilities) - _logits(np.array(predictions.threshold)))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    inside = np.clip(probabilities.astype(np.float64), 1e-9, 1 - 1e-9)
    return np.log(inside / (1 - inside))
