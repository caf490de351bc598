"""Scores labelled pairs, each exactly once, and computes the metrics of the scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tf_keras
from sklearn.metrics import classification_report, confusion_matrix

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import write_text
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import Predictions
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.input_pipeline.datasets import eval_dataset
from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.tf_functions import plain
from keras_negaposi.serving.calibration import Calibration

CLASS_NAMES = ("0", "1")
SCHEMA = 1
"""Version of ``metrics.json``; increase it when a key changes its meaning."""
SEED = 0
"""Seed of the bootstrap and of the ranking's samples, fixed so that a repeated evaluation gives the same figures."""


@dataclasses.dataclass(frozen=True)
class Scores(Predictions):
    """The model's scores for every pair of a part, in the part's order.

    Attributes:
        batch_size: the evaluation's batch size, on which ``loss`` depends as in the original ``run_classifier.py``.
        densities: of A and B together, ``float32 [pairs]``; ``None`` if the model knows none.
    """

    batch_size: int = 32
    densities: np.ndarray | None = None

    @property
    def predictions(self) -> np.ndarray:
        """``int32 [pairs]``, 1 where the model predicts that B comes next."""
        return self.predicted.astype(np.int32)

    def calibrated(self, calibration: Calibration) -> Scores:
        """Returns the calibrated scores, with the calibration's threshold."""
        probabilities = calibration.apply(self.probabilities, self.densities)
        return dataclasses.replace(self, probabilities=probabilities, threshold=calibration.threshold_alone)

    @property
    def losses(self) -> np.ndarray:
        """Cross-entropy in nats, ``float64 [pairs]``."""
        of_label = np.where(self.labels == 1, self.probabilities, 1.0 - self.probabilities.astype(np.float64))
        return -np.log(np.maximum(of_label, np.finfo(np.float32).tiny))


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The metrics of one part, with the names that the original ``run_classifier.py`` gives them.

    ``eval_loss`` is the mean over pairs, ``loss`` the mean over batches of each batch's mean; ``confusion`` is
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
        """Returns the content of ``eval_results.txt``, in the original's format."""
        names = ("eval_accuracy", "eval_loss", "global_step", "loss")
        return "".join(f"{name} = {getattr(self, name)}\n" for name in names)

    def metrics(self) -> dict[str, object]:
        """Returns the entries for ``metrics.json``: everything but the formatted report."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "report_text"}


class PredictProgress(tf_keras.callbacks.Callback):
    """Reports the progress of ``model.predict`` by a `Ticker` that counts batches."""

    def __init__(self, ticker: Ticker) -> None:
        super().__init__()
        self._ticker = ticker

    def on_predict_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Reports the number of batches, if it is time to."""
        self._ticker(batch + 1)


def score_records(model: tf_keras.Model, records: Records, part: str, batch_size: int) -> Scores:
    """Scores every pair of a part exactly once, for any batch size.

    Raises:
        RuntimeError: the scored pairs are not the pairs of the part.
    """
    dataset = eval_dataset(records, part, batch_size)
    columns = list(dataset.map(plain(lambda features: (features[INDEX], features[LABEL]))).as_numpy_iterator())
    indices, labels = (np.concatenate(column) for column in zip(*columns, strict=True))
    progress = PredictProgress(Ticker(f"scoring the {part} pairs, batches", len(columns)))
    probabilities = model.predict(dataset.map(plain(records.inputs)), verbose=0, callbacks=[progress])[:, 1]
    # Restore the part's order; pairs with a negative index only fill the last batch.
    order = np.argsort(indices)
    order = order[indices[order] >= 0]
    if not np.array_equal(indices[order], np.arange(records.counts[part])) or len(probabilities) != len(indices):
        raise RuntimeError(f"{part}: the scored pairs are not the {records.counts[part]} pairs of the records")
    return Scores(labels[order], probabilities[order], batch_size=batch_size)


def evaluate(scores: Scores, global_step: int) -> Evaluation:
    """Computes the metrics of a part's scores."""
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


def chance_loss(pairs: Sequence[Pair]) -> float:
    """Returns the cross-entropy in nats of always predicting the share of label 1, without reading the texts."""
    share = sum(pair.label for pair in pairs) / len(pairs)
    return float(-share * np.log(share) - (1 - share) * np.log(1 - share))


def write_evaluation(folder: RunFolder, evaluations: dict[str, Evaluation], more: dict[str, object]) -> None:
    """Writes the metrics of all parts and ``more`` to ``metrics.json``; prints those of the test part."""
    test = evaluations["test"]
    figures = f"{test.report_text}\nconfusion matrix (rows: label 0, 1; columns: prediction 0, 1): {test.confusion}\n"
    metrics: dict[str, object] = {"schema": SCHEMA} | test.metrics() | more
    if "dev" in evaluations:
        metrics["dev"] = evaluations["dev"].metrics()
    write_text(folder.eval_results, test.eval_results())
    write_text(folder.classification_report, figures)
    write_figures(folder.metrics, metrics)
    say(f"\n{figures}\n{test.eval_results()}")
