"""Groups pages, which may come in any order, into documents and orders each document's pages by number."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.document import Document, plain_lines

Page = tuple[str, str]
"""A title and a text."""
MISSING: Page = ("", "")
"""Marks a gap in the page numbers."""

CACHE_KIB = 64 << 10
"""Memory for the pages that wait to be ordered; the rest are in a temporary file."""
_NUMBER = re.compile(r"(\d{1,18})")


def order_pages(rows: Iterable[Page], document: Callable[[str], str]) -> Iterator[Document]:
    """Yields the documents that the pages belong to, each with all of its pages.

    The pages of a document are in natural order, 2 before 10, with an empty page where numbers are missing. If a title
    has no number, they keep the order of the rows.

    Args:
        rows: the pages. They need not fit into memory, since they are stored in a temporary file.
        document: returns the document of a title; the title itself if the row is a whole document.

    Raises:
        InputError: there is no space for the temporary file.
    """
    numbers: dict[str, int] = {}
    # SQLite creates a temporary file when its cache is full
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as store:
        try:
            # Store the pages by the number of their document
            store.execute("PRAGMA journal_mode = OFF")
            store.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            store.execute("CREATE TABLE pages (document INTEGER, title TEXT, text TEXT)")
            store.execute("BEGIN")
            numbered = ((numbers.setdefault(document(title), len(numbers)), title, text) for title, text in rows)
            store.executemany("INSERT INTO pages VALUES (?, ?, ?)", numbered)
            # Read them document by document
            store.execute("CREATE INDEX by_document ON pages (document)")
            for name, number in numbers.items():
                found = store.execute("SELECT title, text FROM pages WHERE document = ? ORDER BY rowid", (number,))
                yield _document(name, found.fetchall())
        except sqlite3.OperationalError as error:
            fix = "free some space, or set TMPDIR to a folder on another disk"
            raise InputError(f"{tempfile.gettempdir()}: cannot store the pages here: {error}; {fix}") from None


def _document(name: str, pages: list[Page]) -> Document:
    if [title for title, _ in pages] == [name]:
        return Document(name, [plain_lines(pages[0][1])])
    ordered = _in_order(name, pages)
    return Document(name, [plain_lines(text) for _, text in ordered], [title for title, _ in ordered])


def _in_order(name: str, pages: list[Page]) -> list[Page]:
    """Returns the pages of a document ordered by number, with `MISSING` in each gap."""
    keys = {title: _natural(title.removeprefix(name)) for title, _ in pages}
    if any(len(key) == 1 for key in keys.values()):  # a title without a number
        return pages
    ordered: list[Page] = []
    before = None
    for page in sorted(pages, key=lambda page: keys[page[0]]):
        number = int(keys[page[0]][-2])  # the last number in the title
        if before is not None and number != before + 1:
            ordered.append(MISSING)
        ordered.append(page)
        before = number
    return ordered


def _natural(text: str) -> list[str | int]:
    """Returns a sort key for natural order: text and numbers in turn, with text at both ends."""
    key: list[str | int] = [*_NUMBER.split(text)]
    key[1::2] = map(int, key[1::2])
    return key
