"""Scoring labelled pairs, each exactly once, and the figures that follow from the scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras
from sklearn.metrics import classification_report, confusion_matrix

from keras_negaposi.callbacks import PredictProgress
from keras_negaposi.features import INDEX, LABEL, MODEL_INPUTS, Features
from keras_negaposi.pairs import Pair
from keras_negaposi.records import Records, eval_dataset

THRESHOLD = 0.5
CLASS_NAMES = ("0", "1")


@dataclasses.dataclass(frozen=True)
class Scores:
    """What the model says of every pair of a part, in the part's order.

    Attributes:
        labels: ``int32 [pairs]``.
        probabilities: ``float32 [pairs]``, that B comes next.
        batch_size: of the evaluation, which the original's ``loss`` depends on.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    batch_size: int

    @property
    def predictions(self) -> np.ndarray:
        """``int32 [pairs]``, 1 where B is held to come next."""
        return (self.probabilities > THRESHOLD).astype(np.int32)

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy in nats, ``float64 [pairs]``."""
        right = np.where(self.labels == 1, self.probabilities, 1.0 - self.probabilities.astype(np.float64))
        return -np.log(np.maximum(right, np.finfo(np.float32).tiny))


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The figures of one part, named as ``run_classifier.py`` names them.

    ``eval_loss`` is the mean over pairs, ``loss`` the mean over batches of their means; ``confusion`` is
    ``[label][prediction]``.
    """

    pairs: int
    eval_accuracy: float
    eval_loss: float
    loss: float
    global_step: int
    confusion: list[list[int]]
    report: dict[str, dict[str, float]]
    report_text: str

    def eval_results(self) -> str:
        """The content of the original's ``eval_results.txt``."""
        names = ("eval_accuracy", "eval_loss", "global_step", "loss")
        return "".join(f"{name} = {getattr(self, name)}\n" for name in names)

    def metrics(self) -> dict[str, object]:
        """The content of ``metrics.json``: everything but the formatted text."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "report_text"}


def score_records(model: tf_keras.Model, records: Records, part: str, batch_size: int) -> Scores:
    """Scores every pair of a part exactly once, whatever the batch size.

    Raises:
        RuntimeError: the pairs scored are not the pairs of the part.
    """
    dataset = eval_dataset(records, part, batch_size)
    columns = list(dataset.map(lambda features: (features[INDEX], features[LABEL])).as_numpy_iterator())
    indices, labels = (np.concatenate(column) for column in zip(*columns, strict=True))
    progress = PredictProgress(len(columns), f"scoring the {part} pairs")
    probabilities = model.predict(dataset.map(_model_inputs), verbose=0, callbacks=[progress])[:, 1]
    real = indices >= 0
    if not np.array_equal(indices[real], np.arange(records.counts[part])) or len(probabilities) != len(indices):
        raise RuntimeError(f"{part}: the pairs scored are not the {records.counts[part]} pairs of the records")
    return Scores(labels[real], probabilities[real], batch_size)


def evaluate(scores: Scores, global_step: int) -> Evaluation:
    """Computes the figures of a part's scores."""
    losses = scores.losses
    batches = [losses[start : start + scores.batch_size].mean() for start in range(0, len(losses), scores.batch_size)]
    arguments = {"labels": [0, 1], "target_names": CLASS_NAMES, "zero_division": 0.0}
    labels, predictions = scores.labels, scores.predictions
    return Evaluation(
        pairs=len(labels),
        eval_accuracy=float((labels == predictions).mean()),
        eval_loss=float(losses.mean()),
        loss=float(np.mean(batches)),
        global_step=global_step,
        confusion=confusion_matrix(labels, predictions, labels=[0, 1]).tolist(),
        report=classification_report(labels, predictions, output_dict=True, **arguments),
        report_text=classification_report(labels, predictions, digits=4, **arguments),
    )


def scores_table(pairs: Sequence[Pair], scores: Scores) -> str:
    """Tab-separated per-pair scores, a header first."""
    rows = ["a\tb\tlabel\tprobability\tprediction"]
    for pair, probability, prediction in zip(pairs, scores.probabilities, scores.predictions, strict=True):
        titles = (title.replace("\t", " ").replace("\n", " ") for title in (pair.a, pair.b))
        rows.append("\t".join([*titles, str(pair.label), f"{probability:.6f}", str(prediction)]))
    return "\n".join(rows) + "\n"


def _model_inputs(features: Features) -> dict[str, tf.Tensor]:
    return {feature.name: features[feature.name] for feature in MODEL_INPUTS}
