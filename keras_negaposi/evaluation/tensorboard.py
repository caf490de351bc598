"""The evaluation of a run for TensorBoard: scalars, precision-recall curve, confusion matrix and hyperparameters."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.pr_curve import summary as pr_curve

from checkpoints_tools.common.files import join, list_folder, remove
from keras_negaposi.evaluation import plots
from keras_negaposi.evaluation.credibility import Assessment, FinishedRun
from keras_negaposi.evaluation.metrics import Evaluation

FOLDER = "test"
_EVENTS = "events.out.tfevents."
"""Prefix of TensorFlow's event files."""
_THRESHOLDS = 101
_HPARAMS = (
    "learning_rate",
    "train_batch_size",
    "num_train_epochs",
    "warmup_proportion",
    "max_seq_length",
    "truncate_a",
    "split",
    "seed",
)


def write_tensorboard(run: FinishedRun, evaluation: Evaluation, assessment: Assessment) -> None:
    """Replaces the test part's results in the run's TensorBoard folder; they appear at the last training step."""
    folder = join(run.folder.tensorboard, FOLDER)
    for name in list_folder(folder):
        if name.startswith(_EVENTS):
            remove(join(folder, name))
    writer = tf.summary.create_file_writer(folder)
    with writer.as_default(step=evaluation.global_step):
        tf.summary.scalar("test/loss", evaluation.eval_loss)
        for name, figure in assessment.figures.items():
            tf.summary.scalar(f"test/{name}", figure.value)
        for name, baseline in assessment.baselines.items():
            tf.summary.scalar(f"test/accuracy of {name}", baseline.accuracy.value)
        curve = pr_curve.raw_data_pb(**_pr_curve(run.scores.labels, run.scores.probabilities), **_CURVE)
        tf.summary.experimental.write_raw_pb(curve.SerializeToString())
        tf.summary.image("test/confusion", plots.pixels(plots.confusion(evaluation.confusion))[np.newaxis])
        values = dataclasses.asdict(run.config)
        hparams.hparams({name: values[name] for name in _HPARAMS})
    writer.close()


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
