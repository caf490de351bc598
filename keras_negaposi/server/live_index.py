"""The index that is served now. When it changes, it is opened again in a thread and then swapped in."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import msgspec

from checkpoints_tools.common.errors import InputError, masked
from keras_negaposi.config.index_path import is_database
from keras_negaposi.index_files.database_copy import SharedState, local_folder
from keras_negaposi.index_files.manifest import read_manifest
from keras_negaposi.retrieval.search import Index

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.5
MOST_ANSWERS = 1_000
"""Answers that are kept for the same request."""


class Answers:
    """The answers to the latest requests. Only one thread uses it."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, request: Hashable) -> Any:  # noqa: ANN401
        """Returns the answer to a request; ``None`` if it is not kept."""
        if request in self._kept:
            self._kept.move_to_end(request)
        return self._kept.get(request)

    def keep(self, request: Hashable, answer: Any) -> None:  # noqa: ANN401
        """Keeps an answer, and forgets the one that was not asked for longest."""
        self._kept[request] = answer
        if len(self._kept) > MOST_ANSWERS:
            self._kept.popitem(last=False)


@dataclasses.dataclass(frozen=True)
class Opened:
    """An open index.

    Attributes:
        index: the index.
        state: a hash of its manifest, which names all of its files with their checksums.
        answers: what it has answered already.
    """

    index: Index
    state: str
    answers: Answers = dataclasses.field(default_factory=Answers)


class LiveIndex:
    """Keeps the newest state of an index open.

    Args:
        path: folder of the index, or ``postgresql://`` URL.
        first: opens it.
        swapped: called after another state has been swapped in.

    Raises:
        InputError: the index cannot be opened.
    """

    def __init__(self, path: str, first: Callable[[], Index], swapped: Callable[[], None]) -> None:
        self._path, self._swapped = path, swapped
        self._shared = SharedState(path) if is_database(path) else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="index", daemon=True)
        state = self._state()
        self.now = Opened(first(), state)
        self._tried = state

    def follow(self) -> None:
        """Starts to look for changes."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._shared:
            self._shared.close()

    def _state(self) -> str:
        return self._shared.read() if self._shared else finished_state(Path(self._path))

    def _follow(self) -> None:
        last = ""
        while not self._stop.wait(POLL_SECONDS):
            try:
                self._look()
                last = ""
            except (InputError, OSError) as error:
                if str(error) != last:  # A database that cannot be reached is asked again and again.
                    logger.warning("the new index is not used: %s", error)
                last = str(error)

    def _look(self) -> None:
        state = self._state()
        if state in ("", self._tried):
            return
        local_folder(self._path)  # If it cannot be fetched now, it is tried again.
        self._tried = state
        self.now = Opened(self.now.index.reopened(), state)
        logger.info("%s: the new index is served", masked(self._path))
        self._swapped()


def finished_state(path: Path) -> str:
    """Returns a hash of an index's manifest; empty while a writer is at work."""
    manifest = read_manifest(path, lambda manifest: manifest)
    if manifest.begun:
        return ""
    return hashlib.sha256(msgspec.json.encode(manifest, order="deterministic")).hexdigest()
