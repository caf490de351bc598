"""The evaluation of a model on labelled pairs, with 95 % intervals."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_negaposi.config import DataConfig
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pairs
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, document_weights, interval, roc_auc
from keras_negaposi.evaluation.metrics import SEED, Scores


@dataclasses.dataclass(frozen=True)
class PairEvaluation:
    """Figures of a model on labelled pairs.

    The intervals are of a bootstrap over documents: the groups of the pairs, or each text where there are none.

    Attributes:
        pairs: number of different pairs.
        accuracy: share of the pairs whose label is predicted correctly, by the run's threshold.
        roc_auc: how often a pair with label 1 scores above one with label 0.
        log_loss: mean cross-entropy in nats.
    """

    pairs: int
    accuracy: Interval
    roc_auc: Interval
    log_loss: Interval

    def __str__(self) -> str:
        auc, loss = (f"{each.value:.3f} ({each.low:.3f}-{each.high:.3f})" for each in (self.roc_auc, self.log_loss))
        return f"{self.pairs:,} pairs: accuracy {self.accuracy.percent()}, ROC AUC {auc}, log loss {loss}"


def evaluate_scores(pairs: Pairs, probabilities: np.ndarray, threshold: float) -> PairEvaluation:
    """Computes the figures.

    Args:
        pairs: of `labelled_rows.titled_pairs`.
        probabilities: ``float [pairs]``, of the model.
        threshold: the model predicts 1 above it.
    """
    scores = Scores(pairs.labels, probabilities, threshold)
    weights = document_weights(documents_of(pairs, DataConfig.group_pattern), SEED)
    figures = (interval(scores, weights, metric) for metric in (accuracy, roc_auc, _log_loss))
    return PairEvaluation(len(pairs), *figures)


def _log_loss(predictions: Predictions, weights: np.ndarray) -> float:
    losses = Scores(predictions.labels, predictions.probabilities).losses
    return float(weights @ losses / weights.sum())
