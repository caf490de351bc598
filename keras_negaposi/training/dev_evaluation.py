"""Evaluates the dev part during the training, keeps the best weights, and stops when nothing improves any more."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import join
from keras_negaposi.config.dev_evaluation import LAST, RECALL_AT
from keras_negaposi.config.losses import IN_BATCH
from keras_negaposi.evaluation.dev_history import DevPoint, read_dev_history, write_dev_history
from keras_negaposi.training.best_weights import BestWeights
from keras_negaposi.training.multi_worker import chiefs_answer, is_chief
from keras_negaposi.training.training_setup import TrainingSetup


def evaluates_dev(setup: TrainingSetup) -> bool:
    """Returns whether the run evaluates a dev part during the training."""
    return "dev" in setup.records.counts and bool(setup.config.eval_steps)


class DevProgress:
    """What the evaluations have shown so far, and what follows: which weights are kept, and whether to go on.

    After a kill, all of it follows from the evaluations up to the restored step. They are written before the checkpoint
    of their step, and the best weights after it. So the restored step is never before the best one; if it is the best
    one, its weights may not be saved yet, and are saved now.
    """

    def __init__(self, model: tf_keras.Model, setup: TrainingSetup, done: int) -> None:
        """Reads the evaluations up to step ``done``. Workers other than the chief only use `is_over`.

        Raises:
            InputError: ``dev_history.json`` is damaged.
        """
        self._setup = setup
        self._config = setup.config
        self._history = read_dev_history(setup.folder.dev_history).up_to(done)
        if is_chief(setup.strategy):
            self._weights = BestWeights(model, setup)
            self._save_if_missing(done)

    @property
    def is_over(self) -> bool:
        """Whether ``patience`` evaluations in a row were not better."""
        patience = self._config.patience
        return 0 < patience <= self._history.without_improvement(self._config.measure)

    def evaluate(self, step: int, save_checkpoint: Callable[[int], None]) -> DevPoint:
        """Evaluates the current weights, writes the result and, if they are the best so far, saves them.

        Args:
            step: the current one.
            save_checkpoint: saves the checkpoint of the step from which the run can be resumed.
        """
        scores, recall = self._weights.score(), self._weights.recall()
        loss = float(scores.losses.mean())
        finite = loss if math.isfinite(loss) else None
        compares = self._config.loss != IN_BATCH  # otherwise its logits move away from the threshold
        self._history = self._history.with_point(step, finite, scores.correct, recall, compares)
        point = self._history.points[-1]
        write_dev_history(self._setup.folder.dev_history, self._history)
        is_best = self._history.best(self._config.measure) == point
        say(
            f"step {step:,}/{self._setup.total_steps:,}  dev loss {loss:.4f}  dev accuracy {point.accuracy:.3f}"
            + ("" if recall is None else f"  dev R@{RECALL_AT} {recall:.3f}")
            + ("  (best so far)" if is_best else "")
        )
        if is_best and self._saves_best:
            save_checkpoint(step)
            self._weights.save(step)
        return point

    def keep(self, last: int) -> None:
        """Gives the model the best weights, says which these are, and writes their step.

        Args:
            last: the step that the model is at.
        """
        best = self._history.best(self._config.measure)
        kept = best.step if best and self._saves_best else last
        problem = self._weights.restore(kept) if kept != last else None
        if problem:
            file = self._setup.folder.best_weights(kept)
            say(f"{file}: cannot be read ({problem}); the weights of the last step are used instead")
            kept = last
        self._history = dataclasses.replace(self._history, kept=kept)
        write_dev_history(self._setup.folder.dev_history, self._history)
        if not self._setup.total_steps:
            return
        say(
            f"kept: the weights of step {kept:,}"
            + (f", the best by dev {self._config.measure}" if kept != last else "")
        )
        if kept == 0:
            say("the training did not improve the model on the dev part: the untrained start is kept")

    def _save_if_missing(self, done: int) -> None:
        """Saves the weights of the restored step if it is the best one; deletes what a kill left of others."""
        best = self._history.best(self._config.measure)
        if best and self._saves_best:
            if best.step == done:
                self._weights.save(done)
            self._weights.delete_all_but(best.step)

    @property
    def _saves_best(self) -> bool:
        return self._config.keep_best != LAST


class EvaluateDev(tf_keras.callbacks.Callback):
    """Evaluates at the start, whenever a multiple of ``eval_steps`` is reached or passed, and at the last step.

    Every worker has one. The chief evaluates, and all stop after the same step.
    """

    def __init__(
        self,
        dev: DevProgress,
        setup: TrainingSetup,
        save_checkpoint: Callable[[int], None] = lambda step: None,
        leave_out: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        """Remembers what to call.

        Args:
            dev: evaluates.
            setup: of the run.
            save_checkpoint: as in `DevProgress.evaluate`.
            leave_out: gets the seconds that an evaluation took, in which no step was trained.
        """
        super().__init__()
        self._dev = dev
        self._setup = setup
        self._is_chief = is_chief(setup.strategy)
        self._every = setup.config.steps_between_evaluations(setup.total_steps)
        self._save_checkpoint = save_checkpoint
        self._leave_out = leave_out

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Evaluates the start of a new run."""
        self._step = int(self.model.optimizer.iterations.numpy())
        if self._is_chief:
            self._writer = tf.summary.create_file_writer(join(self._setup.folder.tensorboard, "dev"))
            if self._step == 0:
                self._evaluate(lambda step: None)  # a run that is killed before its first checkpoint starts again

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Evaluates if it is time to, and stops the training if ``patience`` is exhausted."""
        before, self._step = self._step, int(self.model.optimizer.iterations.numpy())
        is_last = self._step >= self._setup.total_steps
        if not is_last and self._step // self._every == before // self._every:
            return
        if self._is_chief:
            self._evaluate(self._save_checkpoint)
        patience = self._setup.config.patience
        if patience and not is_last and chiefs_answer(self._setup.strategy, self._dev.is_over):
            self.model.stop_training = True
            say(f"stopping after step {self._step:,}: no better dev figures in {patience} evaluations")

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the event file."""
        if self._is_chief:
            self._writer.close()

    def _evaluate(self, save_checkpoint: Callable[[int], None]) -> None:
        started = time.perf_counter()
        point = self._dev.evaluate(self._step, save_checkpoint)
        with self._writer.as_default(step=self._step):
            tf.summary.scalar("loss", math.nan if point.loss is None else point.loss)
            tf.summary.scalar("accuracy", point.accuracy)
            if point.recall is not None:
                tf.summary.scalar("recall", point.recall)
        self._leave_out(time.perf_counter() - started)
