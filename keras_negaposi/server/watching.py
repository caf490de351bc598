"""Indexes notes again when they change. A process of its own does the work, so that requests do not wait."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import threading
import time

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.listing import list_files

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
NICENESS = 10
REFIT_SECONDS = 300.0
"""After so long without a change, the weights of an index without a run are fitted again."""
Snapshot = dict[str, tuple[int, int]]
"""Size and time of the last change of each file, by path."""


class Watcher:
    """Looks for changed files, and updates the index.

    Args:
        index: its folder.
        source: file or folder that `keras_negaposi.pairs` reads.
        length: of a page in characters.

    Raises:
        InputError: the source cannot be read.
    """

    def __init__(self, index: str, source: str, length: int) -> None:
        self._work = index, source, length
        self._source = source
        self._indexed: Snapshot = {}
        self._refit_at = math.inf
        snapshot(source)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Starts to look; the index is first compared with what the source is now."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, and an update, which leaves a valid index."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                now = snapshot(self._source)
            except (InputError, OSError) as error:
                logger.warning("--watch: %s", error)
                now = self._indexed
            if now != self._indexed:
                self._indexed = now
                self._update(keep_weights=True)
                self._refit_at = time.monotonic() + REFIT_SECONDS
            elif time.monotonic() >= self._refit_at:
                self._update(keep_weights=False)
                self._refit_at = math.inf
            if self._stop.wait(POLL_SECONDS):
                return

    def _update(self, keep_weights: bool) -> None:
        work = (*self._work, keep_weights)
        process = multiprocessing.get_context("spawn").Process(target=reindex, args=work)
        process.start()
        while process.is_alive() and not self._stop.wait(0.1):
            pass
        if process.is_alive():
            process.terminate()
        process.join()


def snapshot(source: str) -> Snapshot:
    """Returns the files of a source, and when they changed.

    Raises:
        InputError: the source cannot be read.
    """
    found = {}
    for _, path in list_files(source).files:
        try:
            status = os.stat(path)
        except FileNotFoundError:  # removed in the meantime
            continue
        found[path] = (status.st_size, status.st_mtime_ns)
    return found


def reindex(index: str, source: str, length: int, keep_weights: bool) -> None:
    """Reads the source again and updates the index; runs in a process of its own."""
    from keras_negaposi.server.reindexing import update_index

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    os.nice(NICENESS)
    try:
        update_index(index, source, length, keep_weights)
    except (InputError, OSError) as error:
        logger.warning("--watch: the index stays as it is: %s", error)
