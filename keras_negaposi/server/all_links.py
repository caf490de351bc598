"""Suggested links of all pages for the page at /: computed while nobody waits, and kept in an SQLite file."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import Documents
from keras_negaposi.links_page.message import Message
from keras_negaposi.links_page.page_data import data_files, likely_from
from keras_negaposi.retrieval.note_links import PARTS, NoteLinks, page_data, parts_of
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggestions import Suggestion
from keras_negaposi.server.live_index import Opened

PAGES_PER_STEP = 1
"""Pages whose links are computed before a request may come first."""
LINKS_PER_PAGE = 10
PAGES_RANKED = 30
"""Pages that are ranked for each page to find enough different notes."""
REFRESH_SECONDS = 20.0
"""The page's data are made again after so long, if more links are known by then."""

_TABLE = "CREATE TABLE IF NOT EXISTS links (a TEXT PRIMARY KEY, state TEXT NOT NULL, found TEXT NOT NULL)"


class AllLinks:
    """The links, by A's title. Those of an earlier state of the index are shown until they are computed again.

    Args:
        path: the SQLite file; it is made if it does not exist.
        known: (a, b) where B is known to come next after A.
        warning: why the suggestions may be of little use.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, path: str, known: set[tuple[str, str]], warning: Message | None) -> None:
        self._known, self._warning = known, warning
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._state = ""
        self._left: deque[str] = deque()
        self._pages_of: dict[str, set[str]] = {}
        self._files: dict[str, bytes] = {}
        self._made_of: tuple[str, int] = ("", 0)
        self._made_at = 0.0
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")  # what a power failure takes is computed again
            self._database.execute(_TABLE)
        except sqlite3.Error as error:
            raise InputError(f"{path}: not a file of suggestions ({error}); remove it") from None

    def step(self, opened: Opened) -> bool:
        """Computes the links of the next pages; returns whether there were any."""
        if opened.state != self._state:
            self._begin(opened)
        if not self._left:
            return False
        titles = [self._left.popleft() for _ in range(min(PAGES_PER_STEP, len(self._left)))]
        note_of, pages = Documents(opened.index.origin.group_pattern), opened.index.store.pages
        skips = [self._pages_of[note_of(title)] for title in titles]
        rows = []
        for place, found in opened.index.suggest_each([[pages[title]] for title in titles], PAGES_RANKED, skips):
            best: dict[str, Suggestion] = {}
            for suggestion in found:
                best.setdefault(note_of(suggestion.title), suggestion)
            kept = list(best.values())[:LINKS_PER_PAGE]
            parts = parts_of(opened.index, [(pages[titles[place]], link.text, link.score) for link in kept])
            links = [(link.title, link.score, *of_score) for link, of_score in zip(kept, parts, strict=True)]
            rows.append((titles[place], _mark(opened), json.dumps(links)))
        with self._lock:
            self._database.executemany("INSERT OR REPLACE INTO links VALUES (?, ?, ?)", rows)
        return True

    def done(self, opened: Opened) -> int:
        """Returns the number of pages whose links are those of this state of the index."""
        if opened.state != self._state:
            return 0
        return len(opened.index.store.pages) - len(self._left)

    def files(self, opened: Opened, newest: bool) -> dict[str, bytes]:
        """Returns the files that the page at / asks for, by name.

        Args:
            opened: the index.
            newest: whether they are made again if more links are known; otherwise they are those of the last call.
        """
        with self._making:
            of = opened.state, self.done(opened)
            is_old = of != self._made_of and time.monotonic() - self._made_at >= REFRESH_SECONDS
            if not self._files or (newest and (is_old or of[0] != self._made_of[0])):
                self._files = self._make(opened, of[1])
                self._made_of, self._made_at = of, time.monotonic()
            return self._files

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()

    def _begin(self, opened: Opened) -> None:
        """Finds the pages whose links are not those of this state of the index."""
        note_of, pages = Documents(opened.index.origin.group_pattern), opened.index.store.pages
        pages_of = defaultdict(set)
        for title in pages:
            pages_of[note_of(title)].add(title)
        with self._lock:
            done = {a for (a,) in self._database.execute("SELECT a FROM links WHERE state = ?", (_mark(opened),))}
        self._pages_of, self._left = dict(pages_of), deque(title for title in pages if title not in done)
        self._state = opened.state

    def _make(self, opened: Opened, done: int) -> dict[str, bytes]:
        index, note_of = opened.index, Documents(opened.index.origin.group_pattern)
        links = NoteLinks(note_of, self._known, LINKS_PER_PAGE)
        for title, suggestions in self._kept(index):
            links.add(note_of(title), title, suggestions)
        first: dict[str, str] = {}
        for title in index.store.pages:
            first.setdefault(note_of(title), title)
        likely = likely_from(index.origin.threshold) if index.origin.is_probability else None
        files = index.store.about.get("files") or {}
        assert isinstance(files, dict)
        data = page_data(
            index,
            links.notes(first, likely),
            index.store.pages,
            note_of,
            files,
            with_reasons=False,
            warning=self._warning,
        )
        whole = done == len(index.store.pages)
        return data_files(dataclasses.replace(data, whole=whole, note=public_note(index)))

    def _kept(self, index: Index) -> Iterator[tuple[str, list[Suggestion]]]:
        """Yields the pages of the index with links, and their links to pages of the index."""
        pages, last = index.store.pages, ""
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT a, found FROM links WHERE a > ? ORDER BY a LIMIT 1000", (last,)
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for a, found in rows:
                links = [(b, score, tuple(parts)) for b, score, *parts in json.loads(found) if b in pages]
                if a in pages:
                    yield a, [Suggestion(b, "", score, parts) for b, score, parts in links]


def _mark(opened: Opened) -> str:
    """Returns what marks the rows of an open index; earlier versions did not keep the parts of scores."""
    return f"{opened.state} {len(PARTS)} parts" if opened.index.origin.weights else opened.state


def public_note(index: Index) -> Message | None:
    """Returns how pages are ranked; of the path of a BERT only the last part."""
    note = index.origin.note
    if note is None or "bert" not in note.values:
        return note
    return Message(note.key, {**note.values, "bert": os.path.basename(str(note.values["bert"]).rstrip("/"))})
