"""Files in a folder; and a folder of plain text pages, ``document,NNN.txt``."""

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
"""Bytes: whoever wrote more by hand has split it."""
_PAGE = re.compile(r"(?P<document>.+),(?P<number>\d+)")


def find_files(folder: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(path from the folder with slashes, path) of the files below it that are read, sorted; of a file, itself.

    Raises:
        InputError: as `listing.list_files`, or there is none.
    """
    listing = list_files(folder)
    if not os.path.isdir(folder):
        return listing.files
    found = listing.of(suffixes)
    if not found:
        raise InputError(f"{folder}: no {' or '.join(suffixes)} file below it; give another folder, or --format")
    return found


def read_note(path: str) -> str:
    """The file's text.

    Raises:
        InputError: it is too large, not UTF-8, or cannot be read.
    """
    size = os.path.getsize(path)
    if size > LARGEST_NOTE:
        raise InputError(f"{path}: {size >> 20:,} MB are no page; split it or move it elsewhere")
    return read_text(path)


def is_page(relative: str) -> bool:
    """Whether a file's name is that of a page."""
    return _PAGE.fullmatch(posixpath.splitext(relative)[0]) is not None


def read_folder(path: str) -> Iterator[Document]:
    """Yields the documents of ``document,NNN.txt`` pages, each with its pages in the order of their numbers.

    Raises:
        InputError: a name has no number, or a file cannot be read.
    """
    pages: dict[str, list[tuple[int, str, str]]] = {}
    for relative, full in find_files(path, SUFFIXES):
        title = posixpath.splitext(relative)[0]
        named = _PAGE.fullmatch(title)
        if not named:
            raise InputError(f'{full}: the name has no page number; pages are named "document,000.txt"')
        pages.setdefault(named["document"], []).append((int(named["number"]), title, full))
    for document, numbered in pages.items():
        numbered.sort()
        lines: list[list[Line]] = []
        titles: list[str] = []
        for position, (number, title, full) in enumerate(numbered):
            gap = number - numbered[position - 1][0] if position else 1
            if not gap:
                raise InputError(f"{path}: {document} has two pages {number}; keep one")
            if gap > 1:
                lines.append([])
                titles.append("")
            lines.append(plain_lines(read_note(full)))
            titles.append(title)
        yield Document(document, lines, titles)
