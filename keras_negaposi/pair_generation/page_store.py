"""Stores the pages on disk while pairs are chosen from them; at most the titles are in memory."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping

from checkpoints_tools.common.errors import InputError, quoted

FIX = "free some space, or set TMPDIR to a folder on another disk"


@contextlib.contextmanager
def temporary_store() -> Iterator[PageStore]:
    """Yields an empty store, and deletes it afterwards.

    Raises:
        InputError: no temporary folder can be created.
    """
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise InputError(f"no folder for temporary files: {error.strerror or error}; {FIX}") from None
    with folder as path, contextlib.closing(PageStore(os.path.join(path, "pages.sqlite"))) as store:
        yield store


class PageStore(Mapping[str, str]):
    """A mapping title -> text in a temporary SQLite file, in the order in which pages were added."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.dirname(path)
        with self._explained():
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute("PRAGMA journal_mode = OFF")
            self._database.execute("CREATE TABLE pages (title TEXT PRIMARY KEY, text TEXT NOT NULL)")
            self._database.execute("BEGIN")

    def add(self, title: str, text: str) -> None:
        """Adds a page.

        Raises:
            InputError: the store has a page of this title already, or the disk is full.
        """
        with self._explained():
            try:
                self._database.execute("INSERT INTO pages VALUES (?, ?)", (title, text))
            except sqlite3.IntegrityError:
                raise InputError(f"two pages have the title {quoted(title)}; rename one") from None

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns SQLite's errors into a message that names the folder."""
        try:
            yield
        except sqlite3.Error as error:
            raise InputError(f"{self._folder}: cannot store the pages there: {error}; {FIX}") from None

    def __getitem__(self, title: str) -> str:
        with self._explained():
            row = self._database.execute("SELECT text FROM pages WHERE title = ?", (title,)).fetchone()
        if row is None:
            raise KeyError(title)
        return row[0]

    def __iter__(self) -> Iterator[str]:
        return (title for (title,) in self._database.execute("SELECT title FROM pages ORDER BY rowid"))

    def __len__(self) -> int:
        return self._database.execute("SELECT count(*) FROM pages").fetchone()[0]

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yields (title, text) in the order in which pages were added."""
        yield from self._database.execute("SELECT title, text FROM pages ORDER BY rowid")
