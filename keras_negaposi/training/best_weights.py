"""A float32 copy of the model that is evaluated during the training, and a checkpoint of its best weights."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.files import join, list_folder, remove
from keras_negaposi.evaluation.metrics import Scores, score_records
from keras_negaposi.modeling.common import float32_copy
from keras_negaposi.training.checkpoints import problem_of
from keras_negaposi.training.dev_recall import DevRecall
from keras_negaposi.training.training_setup import TrainingSetup

ResultT = TypeVar("ResultT")


def outside_scope(work: Callable[[], ResultT]) -> ResultT:
    """Returns the result of ``work``, called in a new thread.

    Callbacks run in the scope of the training's strategy, where neither another model can predict nor one worker alone
    can save. A scope belongs to its thread, and TensorFlow has no other way to leave it.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


class BestWeights:
    """Scores the dev part with the weights of the model in training, and keeps the best of them in a checkpoint.

    The checkpoint has the variables of the model only. Its name differs from those that a run is resumed from, so
    `tf.train.CheckpointManager` does not count it.
    """

    def __init__(self, model: tf_keras.Model, setup: TrainingSetup) -> None:
        """Builds the copy once, on the host; the caller is outside the strategy's scope."""
        self._model = model
        self._setup = setup
        self._copy = float32_copy(model, setup.build_model)
        self._checkpoint = tf.train.Checkpoint(model=self._copy)
        self._recall = None if setup.dev_documents is None else DevRecall(self._copy, setup)

    def score(self) -> Scores:
        """Scores the dev part with the current weights, as the finished model is scored: in float32, no dropout."""

        def work() -> Scores:
            self._take()
            return score_records(self._copy, self._setup.records, "dev", self._setup.config.eval_batch_size)

        return outside_scope(work)

    def recall(self) -> float | None:
        """Returns the recall of the weights that were scored last; ``None`` if it is not wanted."""
        return outside_scope(self._recall) if self._recall else None

    def save(self, step: int) -> None:
        """Saves the current weights, those after ``step``; then deletes all others."""

        def work() -> None:
            self._take()
            self._checkpoint.write(self._setup.folder.best_weights(step))

        outside_scope(work)
        self.delete_all_but(step)

    def delete_all_but(self, step: int) -> None:
        """Deletes the best weights of other steps."""
        folder = self._setup.folder.checkpoints
        for name in list_folder(folder):
            match = re.fullmatch(r"best-(\d+)\.(index|data-.*)", name)
            if match and int(match[1]) != step:
                remove(join(folder, name))

    def restore(self, step: int) -> str | None:
        """Gives the model in training the weights saved after ``step``; returns the problem if they cannot be read."""
        problem = problem_of(functools.partial(self._checkpoint.read, self._setup.folder.best_weights(step)))
        if problem is None:
            with self._setup.strategy.scope():
                self._model.set_weights(self._copy.get_weights())
        return problem

    def _take(self) -> None:
        self._copy.set_weights(self._model.get_weights())
