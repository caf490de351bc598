"""Pages on disk while pairs are drawn of them: memory holds their titles at most."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from checkpoints_tools.errors import InputError


class PageStore(Mapping[str, str]):
    """title -> text in a temporary SQLite file, in the order of adding."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE pages (title TEXT PRIMARY KEY, text TEXT NOT NULL)")
        self._database.execute("BEGIN")

    def add(self, title: str, text: str) -> None:
        """Adds a page.

        Raises:
            InputError: there is one of this title already.
        """
        try:
            self._database.execute("INSERT INTO pages VALUES (?, ?)", (title, text))
        except sqlite3.IntegrityError:
            raise InputError(f'two pages have the title "{title}"; rename one') from None

    def close(self) -> None:
        """Lets go of the file."""
        self._database.close()

    def __getitem__(self, title: str) -> str:
        found = self._database.execute("SELECT text FROM pages WHERE title = ?", (title,)).fetchone()
        if found is None:
            raise KeyError(title)
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return (title for (title,) in self._database.execute("SELECT title FROM pages ORDER BY rowid"))

    def __len__(self) -> int:
        return self._database.execute("SELECT count(*) FROM pages").fetchone()[0]

    def rows(self) -> Iterator[tuple[str, str]]:
        """(title, text) in order."""
        yield from self._database.execute("SELECT title, text FROM pages ORDER BY rowid")
