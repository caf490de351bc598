"""The evaluation of a run for TensorBoard: figures, curves, options, hyperparameters.

The tab HPARAMS compares runs with different seeds and heads. The curves of the training and the dev part are written
during the training.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.pr_curve import summary as pr_curve

from checkpoints_tools.common.files import join, list_folder, remove
from keras_negaposi.evaluation.baseline_comparison import display_name
from keras_negaposi.evaluation.bootstrap import METRICS
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.reporting import plots

FOLDER = "test"
_EVENTS = "events.out.tfevents."
"""Prefix of TensorFlow's event files."""
_THRESHOLDS = 101
HPARAMS = (
    "head",
    "seed",
    "split",
    "recipe",
    "learning_rate",
    "train_batch_size",
    "num_train_epochs",
    "warmup_proportion",
    "max_seq_length",
    "truncate_a",
    "frozen_layers",
    "next_page_pairs",
    "dev_share",
    "hybrid",
)
"""Options that are hyperparameters; all options are there as text."""


def write_tensorboard(result: RunEvaluation) -> None:
    """Replaces the test part's results in the run's TensorBoard folder; they appear at the step that was scored.

    A figure has one point, which the tab HPARAMS needs; baselines and everything else without a curve are text.
    """
    run, evaluation = result.run, result.evaluation
    folder = join(run.folder.tensorboard, FOLDER)
    for name in list_folder(folder):
        if name.startswith(_EVENTS):
            remove(join(folder, name))
    options = dataclasses.asdict(run.config)
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default(step=evaluation.global_step):
        tf.summary.scalar("test/loss", evaluation.eval_loss)
        for name, figure in result.assessment.figures.items():
            tf.summary.scalar(f"test/{name}", figure.value)
        curve = pr_curve.raw_data_pb(**_pr_curve(run.scores.labels, run.scores.probabilities), **_CURVE)
        tf.summary.experimental.write_raw_pb(curve.SerializeToString())
        tf.summary.image("test/confusion", plots.pixels(plots.confusion(evaluation.confusion))[np.newaxis])
        tf.summary.text("options", _table(("option", "value"), options.items()))
        tf.summary.text("results", _results(result))
        hparams.hparams_config(
            hparams=[hparams.HParam(name) for name in HPARAMS],
            metrics=[hparams.Metric(f"test/{name}") for name in METRICS],
        )
        hparams.hparams({name: _hparam(options[name]) for name in HPARAMS}, trial_id=run.folder.path)
    writer.close()


def _hparam(value: object) -> object:
    """Returns a value of a type that the plugin knows."""
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _results(result: RunEvaluation) -> str:
    """Returns the verdict, the warnings and the baselines, in Markdown."""
    rows = [(display_name(name), baseline.accuracy.percent()) for name, baseline in result.assessment.baselines.items()]
    status = f"{result.status.level}: {result.status.reason}"
    lines = [result.verdict, status, *(f"Warning: {warning}" for warning in result.warnings)]
    return "\n\n".join([*lines, _table(("baseline", "accuracy"), rows)])


def _table(header: tuple[str, str], rows: Iterable[tuple[str, object]]) -> str:
    """Returns a table in Markdown; a value is code, so that nothing in it is markup."""
    lines = [f"| {header[0]} | {header[1]} |", "|---|---|"]
    for name, value in rows:
        shown = str(value).replace("|", "\\|").replace("`", "'").replace("\n", " ")
        lines.append(f"| {name} | `{shown}` |")
    return "\n".join(lines)


_CURVE = {"name": "test/precision_recall", "num_thresholds": _THRESHOLDS, "display_name": "test precision and recall"}


def _pr_curve(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the counts at evenly spaced thresholds that the PR curves plugin expects, ``float [thresholds]`` each."""
    thresholds = np.linspace(0, 1, _THRESHOLDS)
    predicted = probabilities >= thresholds[:, np.newaxis]  # [thresholds, pairs]
    ones = labels == 1
    true, false = (predicted & ones).sum(axis=1), (predicted & ~ones).sum(axis=1)
    with np.errstate(invalid="ignore"):
        precision = np.nan_to_num(true / (true + false), nan=1.0)
    return {
        "true_positive_counts": true.astype(float),
        "false_positive_counts": false.astype(float),
        "true_negative_counts": ((~ones).sum() - false).astype(float),
        "false_negative_counts": (ones.sum() - true).astype(float),
        "precision": precision,
        "recall": true / max(int(ones.sum()), 1),
    }
