"""SIGTERM and SIGHUP as an exception, so that a command that is ended so removes its temporary files and locks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGTERM", "SIGHUP")


class Terminated(BaseException):
    """The process has been asked to end.

    Attributes:
        signal: its number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(f"signal {signal}")
        self.signal = signal


@contextmanager
def raised() -> Iterator[None]:
    """Raises `Terminated` where the main thread is when a signal comes; a second signal acts as it always does.

    A signal that the caller has told the process to ignore (``nohup``) stays ignored.
    """
    before: dict[int, object] = {}

    def restore() -> None:
        while before:
            signal.signal(*before.popitem())  # type: ignore[arg-type]

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
