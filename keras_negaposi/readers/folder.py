"""Reads a folder of plain text pages, ``document,NNN.txt``; finds and reads the files of other folders, too."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_text
from keras_negaposi.readers.document import Document, Line, plain_lines
from keras_negaposi.readers.listing import list_files

SUFFIXES = (".txt",)
LARGEST_NOTE = 64 << 20
"""Limit in bytes for a note, which a person writes."""
_PAGE = re.compile(r"(?P<document>.+),(?P<number>\d+)")


def find_files(folder: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """Returns the files in a folder and its subfolders that have one of the suffixes; for a file, that file.

    Returns:
        (path relative to the folder, with slashes; path), sorted.

    Raises:
        InputError: as `listing.list_files`, or no file has one of the suffixes.
    """
    listing = list_files(folder)
    if not os.path.isdir(folder):
        return listing.files
    found = listing.of(suffixes)
    if not found:
        raise InputError(f"{folder}: contains no {' or '.join(suffixes)} file; give another folder, or --format")
    return found


def read_note(path: str) -> str:
    """Returns the text of a file.

    Raises:
        InputError: it is too large, not UTF-8, or cannot be read.
    """
    size = os.path.getsize(path)
    if size > LARGEST_NOTE:
        raise InputError(
            f"{path}: file too large for one page ({size >> 20:,} MB, limit {LARGEST_NOTE >> 20} MB); split it or move "
            "it elsewhere"
        )
    return read_text(path)


def is_page(relative: str) -> bool:
    """Returns whether a file's name is that of a page."""
    return _PAGE.fullmatch(posixpath.splitext(relative)[0]) is not None


def read_folder(path: str) -> Iterator[Document]:
    """Yields the documents of a folder of ``document,NNN.txt`` pages, each with its pages ordered by number.

    Raises:
        InputError: a file name has no number, or a file cannot be read.
    """
    # Group the files by document
    pages: dict[str, list[tuple[int, str, str]]] = {}
    for relative, full in find_files(path, SUFFIXES):
        title = posixpath.splitext(relative)[0]
        named = _PAGE.fullmatch(title)
        if not named:
            raise InputError(f'{full}: the file name has no page number; name pages like "document,000.txt"')
        pages.setdefault(named["document"], []).append((int(named["number"]), title, full))
    # Order the pages of each document by number, with an empty page in each gap
    for document, numbered in pages.items():
        numbered.sort()
        lines: list[list[Line]] = []
        titles: list[str] = []
        for position, (number, title, full) in enumerate(numbered):
            gap = number - numbered[position - 1][0] if position else 1
            if not gap:
                raise InputError(f"{path}: {document} has two pages with number {number}; keep one")
            if gap > 1:
                lines.append([])
                titles.append("")
            lines.append(plain_lines(read_note(full)))
            titles.append(title)
        yield Document(document, lines, titles)
