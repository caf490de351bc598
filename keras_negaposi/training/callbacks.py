"""Keras callbacks that save checkpoints and report progress during ``model.fit``."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import join
from checkpoints_tools.common.progress import duration, report
from keras_negaposi.evaluation.figures_json import read_history, write_figures
from keras_negaposi.training.dev_evaluation import DevProgress, EvaluateDev
from keras_negaposi.training.multi_worker import is_chief
from keras_negaposi.training.stopping import StopOnSignal
from keras_negaposi.training.training_setup import TrainingSetup

PAIR_LOSS = "pair_loss"
"""Keras' figure of the labels' cross-entropy alone, where the loss that is trained has more parts."""


def choose_callbacks(
    setup: TrainingSetup,
    stop: StopOnSignal,
    dev: DevProgress | None,
    manager: tf.train.CheckpointManager,
    options: tf.train.CheckpointOptions | None,
) -> list[tf_keras.callbacks.Callback]:
    """Returns the callbacks of this process: every worker stops on a signal, but only the chief writes files.

    Args:
        setup: of the run.
        stop: reports afterwards whether a signal ended the training.
        dev: evaluates the dev part, if there is one to evaluate.
        manager: saves the checkpoints.
        options: for writing them.
    """
    if not is_chief(setup.strategy):
        return [stop, *([EvaluateDev(dev, setup)] if dev else [])]
    config, folder = setup.config, setup.folder
    progress = Progress(
        setup.total_steps,
        config.train_batch_size,
        config.log_every_steps,
        setup.chance_loss,
        join(folder.tensorboard, "train"),
        folder.history,
    )
    save = SaveCheckpoint(manager, config.save_checkpoints_steps, options)
    graph = GraphForTensorBoard(folder.tensorboard, write_graph=True, profile_batch=0)
    # The evaluation comes before the checkpoint of its step, so that a restored step has always been evaluated.
    evaluate = [EvaluateDev(dev, setup, save.save, progress.leave_out)] if dev else []
    return [stop, progress, *evaluate, save, graph]


class SaveCheckpoint(tf_keras.callbacks.Callback):
    """Saves weights, moments and step every ``every`` steps, and at the end."""

    def __init__(
        self, manager: tf.train.CheckpointManager, every: int, options: tf.train.CheckpointOptions | None = None
    ) -> None:
        super().__init__()
        self._manager = manager
        self._every = every
        self._options = options

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Remembers the step from which the training starts."""
        self._saved = int(self.model.optimizer.iterations.numpy())

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves when a multiple of ``every`` steps was reached or, with several steps per execution, passed."""
        step = int(self.model.optimizer.iterations.numpy())
        if step // self._every > self._saved // self._every:
            self.save(step)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Saves the final weights."""
        self.save(int(self.model.optimizer.iterations.numpy()))

    def save(self, step: int) -> None:
        """Saves the weights after the current ``step``, unless they are saved already."""
        if step > self._saved:
            self._manager.save(checkpoint_number=step, options=self._options)
            self._saved = step


class GraphForTensorBoard(tf_keras.callbacks.TensorBoard):
    """Writes the model's graph, but no figures by epoch: `Progress` writes them by step, and more often."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes nothing."""


class Progress(tf_keras.callbacks.Callback):
    """Writes a line, a TensorBoard point and a history entry every ``every`` steps.

    They contain the loss and accuracy since the last report, the learning rate, and the pairs per second. A hint is
    printed once if the loss is still at ``chance_loss`` (nats) after a quarter of the steps.
    """

    STILL_AT_CHANCE = 0.01

    def __init__(
        self, total_steps: int, batch_size: int, every: int, chance_loss: float, log_dir: str, history_file: str
    ) -> None:
        super().__init__()
        self._chance_loss = chance_loss
        self._compared_with_chance = False
        self._total = total_steps
        self._batch_size = batch_size
        self._every = every
        self._log_dir = log_dir
        self._history_file = history_file

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens the event file, reads the history of a resumed run, and starts the clock."""
        self._writer = tf.summary.create_file_writer(self._log_dir)
        self._since = time.perf_counter()
        self._step = int(self.model.optimizer.iterations.numpy())
        before = read_history(self._history_file)
        self._history = [dataclasses.asdict(point) for point in before if point.step <= self._step]
        self._sums = dict.fromkeys(("loss", "accuracy"), 0.0)
        self._batches = 0
        self._begun = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Reports the first step, then every ``every`` steps."""
        step, now = int(self.model.optimizer.iterations.numpy()), time.perf_counter()
        due = step // self._every != self._step // self._every or step >= self._total
        report(step, self._total, "training")
        if not self._begun:
            self._begun = True
            say(f"first step done after {duration(now - self._since)}")
            if not due:  # the speed does not include tracing the graph
                self._since, self._step = now, step
        if logs is None or not due:
            return
        point = self._measure(step, now, batch + 1, logs)
        self._report(step, point)
        self._check_loss(step, point["loss"])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the event file."""
        self._writer.close()

    def leave_out(self, seconds: float) -> None:
        """Does not count seconds in which no step was trained."""
        self._since += seconds

    def _measure(self, step: int, now: float, batches: int, logs: dict[str, float]) -> dict[str, float]:
        """Returns the values since the last report, and starts the next interval."""
        pairs_per_second = (step - self._step) * self._batch_size / (now - self._since)
        # The logs are means since the training began; differences of their sums give the means since the last report.
        means = logs | {"loss": logs.get(PAIR_LOSS, logs["loss"])}
        sums = {name: means[name] * batches for name in self._sums}
        point = {name: (sums[name] - self._sums[name]) / (batches - self._batches) for name in sums}
        self._since, self._step, self._sums, self._batches = now, step, sums, batches
        learning_rate = float(self.model.optimizer.learning_rate.numpy())
        return point | {"learning_rate": learning_rate, "pairs_per_second": pairs_per_second}

    def _report(self, step: int, point: dict[str, float]) -> None:
        """Writes the history and the TensorBoard point, and prints the line."""
        self._history.append({"step": step} | point)
        write_figures(self._history_file, self._history)
        with self._writer.as_default(step=step):
            for name, value in point.items():
                tf.summary.scalar(name, value)
        left = (self._total - step) * self._batch_size / point["pairs_per_second"]
        say(
            f"step {step:,}/{self._total:,}  loss {point['loss']:.4f}  accuracy {point['accuracy']:.3f}  "
            f"{point['pairs_per_second']:.1f} pairs/s  {duration(left)} left"
        )

    def _check_loss(self, step: int, loss: float) -> None:
        """Stops a diverged training, and gives a hint if nothing has been learned."""
        if not math.isfinite(loss):
            raise InputError(
                f"step {step:,}: the loss is {loss}: the training has diverged; start a new run with a lower "
                "--learning_rate"
            )
        if not self._compared_with_chance and step >= self._total / 4:
            self._compared_with_chance = True
            if loss > self._chance_loss - self.STILL_AT_CHANCE:
                say(f"still at chance (loss {self._chance_loss:.4f}); if it stays there, halve --learning_rate")


@contextmanager
def no_timing_warnings() -> Iterator[None]:
    """Keeps Keras from warning of slow callbacks within the block: a step of a tiny model is quicker than its log."""
    logger = tf.get_logger()
    logger.addFilter(_is_not_about_timing)
    try:
        yield
    finally:
        logger.removeFilter(_is_not_about_timing)


def _is_not_about_timing(record: logging.LogRecord) -> bool:
    return "is slow compared to the batch time" not in record.getMessage()
