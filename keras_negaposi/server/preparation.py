"""Computes ahead what questions need of the pages, while nobody waits: the first questions are then fast as well."""

from __future__ import annotations

from collections.abc import Iterator

from keras_negaposi.server.live_index import Opened


class Preparation:
    """The preparation of the index that is open now.

    Attributes:
        done: number of texts that are ready.
    """

    def __init__(self) -> None:
        self.done = 0
        self._state: str | None = None
        self._steps: Iterator[int] = iter(())

    def step(self, opened: Opened) -> bool:
        """Prepares the next pages; returns whether there were any."""
        if opened.state != self._state:
            self._state, self._steps, self.done = opened.state, opened.index.preparing(), 0
        ready = next(self._steps, None)
        self.done = self.done if ready is None else ready
        return ready is not None
