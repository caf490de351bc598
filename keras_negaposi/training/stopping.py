"""Ends the training after the current step on Ctrl-C, SIGTERM (preemption) or SIGHUP (closed terminal).

The weights are saved.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import tf_keras

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
Handler = Callable[[int, FrameType | None], Any] | int | None


class StopOnSignal(tf_keras.callbacks.Callback):
    """Remembers the first signal and stops the training after the step. A second signal has its usual effect.

    Attributes:
        received: the signal, or ``None``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Handler] = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Installs the signal handlers, which only the main thread can do."""
        if threading.current_thread() is threading.main_thread():
            handled = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]  # nohup sets SIG_IGN
            self._before = {number: signal.signal(number, self._remember) for number in handled}

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Stops the training if a signal has arrived."""
        if self.received:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Restores the previous signal handlers."""
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
