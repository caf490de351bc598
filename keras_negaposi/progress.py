"""Telling how long work will take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from checkpoints_tools.options import say

ItemT = TypeVar("ItemT")


class Ticker:
    """A line every ten seconds or so about long work."""

    INTERVAL = 10.0

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._last = time.perf_counter()
        self._first: tuple[float, int] | None = None

    def __call__(self, done: int) -> None:
        """Reports when it is time. What comes first is not counted: a graph may have to be traced for it."""
        now = time.perf_counter()
        self._first = self._first or (now, done)
        since, counted = now - self._first[0], done - self._first[1]
        if counted and now - self._last >= self.INTERVAL:
            self._last = now
            left = since * (self._total - done) / counted
            say(f"{self._what}: {done:,}/{self._total:,}, {duration(left)} left")

    def watch(self, items: Iterable[ItemT]) -> Iterator[ItemT]:
        """Passes items on and reports how many have gone by."""
        for done, item in enumerate(items, 1):
            yield item
            self(done)


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 20 s`` or ``8 s``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
