"""Turns SIGTERM and SIGHUP into an exception, so that a stopped command removes its temporary files and locks.

Python itself does so for SIGINT only (``KeyboardInterrupt``); no library is needed for a signal handler that raises.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NAMES = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """A signal asked the process to end.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"signal {signal}")
        self.signal = signal


@contextmanager
def raised() -> Iterator[None]:
    """Raises `Terminated` in the main thread when a signal arrives; a second signal has its default effect.

    A signal that the process was started to ignore (``nohup``) stays ignored.
    """
    before: dict[int, Any] = {}

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())

    def end(number: int, frame: FrameType | None) -> None:
        restore()
        raise Terminated(number)

    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        restore()
