"""Reports progress: lines with the remaining time, and calls of a function that a program gives.

tqdm redraws one line, which is unreadable in log files, and its estimate counts the first item, during which a graph
may be traced and compiled for minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from checkpoints_tools.common.cli import say

ItemT = TypeVar("ItemT")

Listener = Callable[[int, int | None, str], object]
"""Gets the number of finished items, the number of all items (``None`` if it is unknown), and what is being done."""
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def reported_to(listener: Listener | None) -> Iterator[None]:
    """Calls ``listener`` after every item of the work within the block; an exception of it ends the work."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(done: int, total: int | None, what: str) -> None:
    """Tells the `Listener`, if there is one."""
    if listener := _listener.get():
        listener(done, total, what)


class Ticker:
    """Says a line about long work: the first after three seconds, then one about every ten; reports every item."""

    FIRST = 3.0
    INTERVAL = 10.0

    def __init__(self, what: str, total: int | None) -> None:
        """Starts the clock.

        Args:
            what: what is being done.
            total: number of items; ``None`` if it is unknown.
        """
        self._what = what
        self._total = total
        self._last = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._wait = self.FIRST

    def __call__(self, done: int) -> None:
        """Reports ``done`` finished items, and says a line if it is time.

        The items of the first call do not count in the rate, since a graph may have been traced for them.
        """
        report(done, self._total, self._what)
        now = time.perf_counter()
        self._first = self._first or (now, done)
        since, counted = now - self._first[0], done - self._first[1]
        if counted and now - self._last >= self._wait:
            self._last, self._wait = now, self.INTERVAL
            if self._total is None:
                say(f"{self._what}: {done:,}")
            else:
                left = since * (self._total - done) / counted
                say(f"{self._what}: {done:,}/{self._total:,}, {duration(left)} left")

    def watch(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Yields the items, and reports after each."""
        for done, item in enumerate(items, 1):
            yield item
            self(done)


def duration(seconds: float) -> str:
    """Formats a duration as ``1 h 02 min``, ``3 min 20 s`` or ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
