"""What happens between the steps of ``model.fit`` and ``model.predict``."""

from __future__ import annotations

import dataclasses
import math
import time

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.progress import duration
from keras_negaposi.evaluation.figures_json import read_history, write_figures


class SaveCheckpoint(tf_keras.callbacks.Callback):
    """Saves weights, moments and step every so many steps, and at the end."""

    def __init__(
        self, manager: tf.train.CheckpointManager, every: int, options: tf.train.CheckpointOptions | None = None
    ) -> None:
        super().__init__()
        self._manager = manager
        self._every = every
        self._options = options

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begins to count."""
        self._saved = int(self.model.optimizer.iterations.numpy())

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Saves when it is time: of several steps at once after the one that is due."""
        step = int(self.model.optimizer.iterations.numpy())
        if step // self._every > self._saved // self._every:
            self._save(step)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Saves the finished weights, if the last step has not been saved already."""
        step = int(self.model.optimizer.iterations.numpy())
        if step > self._saved:
            self._save(step)

    def _save(self, step: int) -> None:
        self._manager.save(checkpoint_number=step, options=self._options)
        self._saved = step


class Progress(tf_keras.callbacks.Callback):
    """A line and a TensorBoard point every so many steps: loss and accuracy since the last one, rate, learning rate.

    A run that is no better than ``chance_loss`` (nats) after a quarter of its steps is told so, once.
    """

    STILL_AT_CHANCE = 0.01

    def __init__(
        self, total_steps: int, batch_size: int, every: int, chance_loss: float, log_dir: str, history_file: str
    ) -> None:
        super().__init__()
        self._chance_loss = chance_loss
        self._judged = False
        self._total = total_steps
        self._batch_size = batch_size
        self._every = every
        self._log_dir = log_dir
        self._history_file = history_file

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Opens the event file and starts the clock."""
        self._writer = tf.summary.create_file_writer(self._log_dir)
        self._since = time.perf_counter()
        self._step = int(self.model.optimizer.iterations.numpy())
        before = read_history(self._history_file)
        self._history = [dataclasses.asdict(point) for point in before if point.step <= self._step]
        self._sums = dict.fromkeys(("loss", "accuracy"), 0.0)
        self._batches = 0
        self._begun = False

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Reports when it is time."""
        step, now = int(self.model.optimizer.iterations.numpy()), time.perf_counter()
        due = step // self._every != self._step // self._every or step >= self._total
        if not self._begun:
            self._begun = True
            say(f"first step done after {duration(now - self._since)}")
            if not due:  # making the graph is not counted as a step's time
                self._since, self._step = now, step
        if logs is None or not due:
            return
        pairs_per_second = (step - self._step) * self._batch_size / (now - self._since)
        # The logs are means since the training began; their differences give the means since the last line.
        batches = batch + 1
        sums = {name: logs[name] * batches for name in self._sums}
        point = {name: (sums[name] - self._sums[name]) / (batches - self._batches) for name in sums}
        point |= {
            "learning_rate": float(self.model.optimizer.learning_rate.numpy()),
            "pairs_per_second": pairs_per_second,
        }
        self._since, self._step, self._sums, self._batches = now, step, sums, batches
        self._history.append({"step": step} | point)
        write_figures(self._history_file, self._history)
        with self._writer.as_default(step=step):
            for name, value in point.items():
                tf.summary.scalar(name, value)
        left = (self._total - step) * self._batch_size / pairs_per_second
        say(
            f"step {step:,}/{self._total:,}  loss {point['loss']:.4f}  accuracy {point['accuracy']:.3f}  "
            f"{pairs_per_second:.1f} pairs/s  {duration(left)} left"
        )
        if not math.isfinite(point["loss"]):
            raise InputError(
                f"step {step:,}: the loss is {point['loss']}: the training has diverged; begin a new run with a lower "
                "--learning_rate"
            )
        if not self._judged and step >= self._total / 4:
            self._judged = True
            if point["loss"] > self._chance_loss - self.STILL_AT_CHANCE:
                say(f"still at chance (loss {self._chance_loss:.4f}); if it stays there, halve --learning_rate")

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the event file."""
        self._writer.close()
