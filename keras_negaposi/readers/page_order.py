"""Titles with their texts, in any order, as documents whose pages are in the order of their numbers."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.document import Document, plain_lines

Page = tuple[str, str]
"""Title and text."""
MISSING: Page = ("", "")

CACHE_KIB = 64 << 10
"""What stays in memory of the pages that wait to be put in order."""
_NUMBER = re.compile(r"(\d{1,18})")


def order_pages(rows: Iterable[Page], document: Callable[[str], str]) -> Iterator[Document]:
    """Yields titles with their texts as documents: all titles that share their document, wherever they stand.

    A document's pages are in the natural order of their numbers, 2 before 10, with an empty page where numbers are
    missing. Where one has no number, they keep the order of the rows.

    Args:
        rows: may be many: they wait in a temporary file.
        document: of a title; itself, where a row is a whole document.

    Raises:
        InputError: there is no space for the temporary file.
    """
    numbers: dict[str, int] = {}
    with contextlib.closing(sqlite3.connect("", isolation_level=None)) as store:  # a file, if memory does not suffice
        try:
            store.execute("PRAGMA journal_mode = OFF")
            store.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            store.execute("CREATE TABLE pages (document INTEGER, title TEXT, text TEXT)")
            store.execute("BEGIN")
            numbered = ((numbers.setdefault(document(title), len(numbers)), title, text) for title, text in rows)
            store.executemany("INSERT INTO pages VALUES (?, ?, ?)", numbered)
            store.execute("CREATE INDEX by_document ON pages (document)")
            for name, number in numbers.items():
                found = store.execute("SELECT title, text FROM pages WHERE document = ? ORDER BY rowid", (number,))
                yield _document(name, found.fetchall())
        except sqlite3.OperationalError as error:
            fix = "free some space, or set TMPDIR to a folder on another disk"
            raise InputError(f"{tempfile.gettempdir()}: cannot store the pages there: {error}; {fix}") from None


def _document(name: str, pages: list[Page]) -> Document:
    if [title for title, _ in pages] == [name]:
        return Document(name, [plain_lines(pages[0][1])])
    ordered = _in_order(name, pages)
    return Document(name, [plain_lines(text) for _, text in ordered], [title for title, _ in ordered])


def _in_order(name: str, pages: list[Page]) -> list[Page]:
    """The pages of a document by number, with `MISSING` in each gap."""
    keys = {title: _natural(title.removeprefix(name)) for title, _ in pages}
    if any(len(key) == 1 for key in keys.values()):  # no number
        return pages
    ordered: list[Page] = []
    before = None
    for page in sorted(pages, key=lambda page: keys[page[0]]):
        number = int(keys[page[0]][-2])  # the last one
        if before is not None and number != before + 1:
            ordered.append(MISSING)
        ordered.append(page)
        before = number
    return ordered


def _natural(text: str) -> list[str | int]:
    """Text, number, text and so on, text at both ends: compares as people count."""
    key: list[str | int] = [*_NUMBER.split(text)]
    key[1::2] = map(int, key[1::2])
    return key
