"""Ctrl-C, SIGTERM (a preempted machine, a full queue) and SIGHUP (a closed terminal) end the training after a step.

Its weights are kept.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

import tf_keras

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class StopOnSignal(tf_keras.callbacks.Callback):
    """Takes the signals down while the model is trained. A second one acts as it always does.

    Attributes:
        received: the signal, or ``None``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, object] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Begins to watch; only a main thread can."""
        if threading.current_thread() is threading.main_thread():
            heard = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup ignores one
            self._before = {number: signal.signal(number, self._take_down) for number in heard}

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Ends the training if it was asked for."""
        if self.received:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Leaves the signals as they were."""
        self._restore()

    def _take_down(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
