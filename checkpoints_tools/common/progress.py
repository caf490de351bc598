"""Telling how long work will take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from checkpoints_tools.common.cli import say

ItemT = TypeVar("ItemT")


class Ticker:
    """A line about long work: the first after three seconds, then one every ten seconds or so."""

    FIRST = 3.0
    INTERVAL = 10.0

    def __init__(self, what: str, total: int | None) -> None:
        """Begins to count.

        Args:
            what: is done.
            total: how many there are; ``None`` where nobody knows.
        """
        self._what = what
        self._total = total
        self._last = time.perf_counter()
        self._first: tuple[float, int] | None = None
        self._wait = self.FIRST

    def __call__(self, done: int) -> None:
        """Reports when it is time. What comes first is not counted: a graph may have to be traced for it."""
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
