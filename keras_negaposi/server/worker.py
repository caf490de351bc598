"""One thread that does the work of all requests: what waits is taken together, so that it is computed in one batch."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from keras_negaposi.server.requests import RequestError

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 32
MOST_WAITING = 256
QUIET_SECONDS = 1.0
"""Background work starts when no request has come for so long."""
BACKGROUND_PAUSE = 0.5
"""Seconds between looks for background work when there was none."""

Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Maps items to their results; a result that is an exception is raised for its item."""


class Worker:
    """Does work for others, one batch after the other, in the order in which it was given.

    Args:
        name: of the thread.
        work: computes a batch.
        background: does a short piece of work while nobody waits, and returns whether there was any.
    """

    def __init__(self, name: str, work: Work, background: Callable[[], bool] | None = None) -> None:
        self._work, self._background = work, background
        self._waiting: queue.Queue[tuple[Any, Future] | None] = queue.Queue(MOST_WAITING)
        self._last, self._more = 0.0, True
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """About how many items wait."""
        return self._waiting.qsize()

    def submit(self, item: Any) -> Future:  # noqa: ANN401
        """Returns the future result of an item.

        Raises:
            RequestError: too many items wait.
        """
        future: Future = Future()
        try:
            self._waiting.put_nowait((item, future))
        except queue.Full:
            raise RequestError(503, "too many requests wait; try again") from None
        return future

    def close(self) -> None:
        """Ends the thread after the work that waits."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            taken = self._take()
            batch = [entry for entry in taken if entry is not None]
            if batch:
                self._do(batch)
                self._last = time.monotonic()
            if len(batch) < len(taken):
                return
            if not batch and self._background and time.monotonic() - self._last >= QUIET_SECONDS:
                self._more = self._in_background(self._background)

    def _take(self) -> list[tuple[Any, Future] | None]:
        """Returns everything that waits, `MOST_AT_ONCE` at most; nothing if it is time for background work."""
        if self._background is None:
            timeout: float | None = None
        else:
            quiet = time.monotonic() - self._last
            timeout = max(QUIET_SECONDS - quiet, 0.0 if self._more else BACKGROUND_PAUSE)
        taken = []
        try:
            taken.append(self._waiting.get(timeout=timeout) if timeout != 0 else self._waiting.get_nowait())
            while len(taken) < MOST_AT_ONCE:
                taken.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return taken

    def _do(self, batch: Sequence[tuple[Any, Future]]) -> None:
        # A request that was given up in the meantime is not computed.
        batch = [(item, future) for item, future in batch if future.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    @staticmethod
    def _in_background(work: Callable[[], bool]) -> bool:
        try:
            return work()
        except Exception:
            logger.exception("work in the background failed")
            return False
