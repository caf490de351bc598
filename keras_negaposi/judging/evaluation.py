"""Scoring labelled pairs, each exactly once, and the figures that follow from the scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tf_keras
from sklearn.metrics import classification_report, confusion_matrix

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import read_json, read_text, write_json, write_text
from checkpoints_tools.lock import locked
from checkpoints_tools.options import say
from keras_negaposi.calibration import Calibration, saved_calibration
from keras_negaposi.callbacks import PredictProgress
from keras_negaposi.config import EvaluateConfig
from keras_negaposi.datasets import eval_dataset
from keras_negaposi.features import INDEX, LABEL
from keras_negaposi.graphs import plain
from keras_negaposi.judging.uncertainty import Predictions, document_weights, intervals
from keras_negaposi.labelled import Pair, PairData, read_pairs
from keras_negaposi.progress import Ticker
from keras_negaposi.records import Records
from keras_negaposi.run_folder import RunFolder, check_finished, saved_config
from keras_negaposi.splits import documents_of, read_split
from keras_negaposi.texts import read_texts

CLASS_NAMES = ("0", "1")
SCHEMA = 1
"""Of ``metrics.json``: raised when a key changes its meaning."""
SEED = 0
"""Of the bootstrap."""


@dataclasses.dataclass(frozen=True)
class Scores(Predictions):
    """What the model says of every pair of a part, in the part's order.

    Attributes:
        batch_size: of the evaluation, which the original's ``loss`` depends on.
    """

    batch_size: int = 32

    @property
    def predictions(self) -> np.ndarray:
        """``int32 [pairs]``, 1 where B is held to come next."""
        return self.said.astype(np.int32)

    def calibrated(self, calibration: Calibration) -> Scores:
        """The same after the temperature, judged by the threshold."""
        probabilities = calibration.apply(self.probabilities)
        return dataclasses.replace(self, probabilities=probabilities, threshold=calibration.threshold)

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
    columns = list(dataset.map(plain(lambda features: (features[INDEX], features[LABEL]))).as_numpy_iterator())
    indices, labels = (np.concatenate(column) for column in zip(*columns, strict=True))
    progress = PredictProgress(Ticker(f"scoring the {part} pairs, batches", len(columns)))
    probabilities = model.predict(dataset.map(plain(records.inputs)), verbose=0, callbacks=[progress])[:, 1]
    order = np.argsort(indices)
    order = order[indices[order] >= 0]
    if not np.array_equal(indices[order], np.arange(records.counts[part])) or len(probabilities) != len(indices):
        raise RuntimeError(f"{part}: the pairs scored are not the {records.counts[part]} pairs of the records")
    return Scores(labels[order], probabilities[order], batch_size=batch_size)


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


def chance_loss(pairs: Sequence[Pair]) -> float:
    """Cross-entropy in nats of always giving the classes' shares: what can be had without reading a text."""
    share = sum(pair.label for pair in pairs) / len(pairs)
    return float(-share * np.log(share) - (1 - share) * np.log(1 - share))


def scores_table(pairs: Sequence[Pair], scores: Scores) -> str:
    """Tab-separated per-pair scores, a header first."""
    rows = ["a\tb\tlabel\tprobability\tprediction"]
    for pair, probability, prediction in zip(pairs, scores.probabilities, scores.predictions, strict=True):
        titles = (title.replace("\t", " ").replace("\n", " ") for title in (pair.a, pair.b))
        rows.append("\t".join([*titles, str(pair.label), f"{probability:.9g}", str(prediction)]))
    return "\n".join(rows) + "\n"


def read_scores(path: str, threshold: float, batch_size: int) -> Scores:
    """Reads what `scores_table` wrote.

    Raises:
        InputError: it is not there, or is no such table.
    """
    rows = [line.split("\t") for line in read_text(path).splitlines()[1:]]
    try:
        labels = np.array([int(row[2]) for row in rows], np.int32)
        probabilities = np.array([float(row[3]) for row in rows], np.float32)
    except (ValueError, IndexError):
        raise InputError(f"{path}: not a table of scores; finish the run again with --resume") from None
    return Scores(labels, probabilities, threshold, batch_size)


def write_evaluation(folder: RunFolder, evaluations: dict[str, Evaluation], more: dict[str, object]) -> None:
    """Writes and tells the figures of the ``test`` part; those of ``dev`` and ``more`` go into ``metrics.json``."""
    test = evaluations["test"]
    figures = f"{test.report_text}\nconfusion matrix (rows: label 0, 1; columns: prediction 0, 1): {test.confusion}\n"
    metrics = {"schema": SCHEMA} | test.metrics() | more
    if "dev" in evaluations:
        metrics["dev"] = evaluations["dev"].metrics()
    write_text(folder.eval_results, test.eval_results())
    write_text(folder.classification_report, figures)
    write_json(folder.metrics, _without_nan(metrics))
    say(f"\n{figures}\n{test.eval_results()}")


def evaluate_pairs(run: str, config: EvaluateConfig) -> Evaluation:
    """Scores labelled pairs, a file's or those that a finished run was tested on, with the model that it exported.

    Raises:
        InputError: the run is not finished, or the files cannot be used.
    """
    data = read_pairs(config.honbun, config.negaposi) if config.negaposi else _tested(run)
    say(f"data: {data.describe()}")
    check_finished(run)
    from keras_negaposi.scorer import Scorer

    texts = ((data.texts[pair.a], data.texts[pair.b]) for pair in data.pairs)
    tick = Ticker("scoring the pairs", len(data.pairs))
    streamed = Scorer(run, config.precision).stream(texts, config.eval_batch_size)
    probabilities = np.array([p for p, _ in tick.watch(streamed)], np.float32)
    labels = np.array([pair.label for pair in data.pairs], np.int32)
    threshold = saved_calibration(RunFolder(run)).threshold
    scores = Scores(labels, probabilities, threshold, config.eval_batch_size)
    evaluation = evaluate(scores, read_json(RunFolder(run).metrics)["global_step"])
    pattern = saved_config(run)["group_pattern"]
    figures = intervals(scores, document_weights(documents_of(data.pairs, pattern), SEED))
    folder = RunFolder(config.output_dir)
    with locked(folder.path):
        write_text(folder.scores("test"), scores_table(data.pairs, scores))
        more = {"figures": {name: dataclasses.asdict(figure) for name, figure in figures.items()}}
        write_evaluation(folder, {"test": evaluation}, more)
    say(f"accuracy {figures['accuracy'].percent()}")
    return evaluation


def _tested(run: str) -> PairData:
    """The pairs that a run was tested on."""
    check_finished(run)
    honbun = saved_config(run)["honbun"]
    texts = read_texts(honbun)
    pairs = read_split(RunFolder(run).split)["test"]
    for title in pairs.used_titles():
        if title not in texts:
            raise InputError(f'{honbun}: no "{title}" in it any more, on which {run} was tested; give other pairs')
    return PairData(texts, pairs, repeated=0)


def _without_nan(value: object) -> object:
    """JSON has no NaN: a figure that is not defined is null."""
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value
