"""Spreadsheets of labelled pairs, or of pages: CSV, TSV and JSON lines with a header's column names."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from typing import TextIO

from checkpoints_tools.errors import InputError
from checkpoints_tools.json_text import check_text
from keras_negaposi.sources.document import Document, group_pages

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
LONGEST_LINE = 16 << 20
PAIR_COLUMNS = ("text_a", "text_b", "label")
PAGE_COLUMNS = ("title", "text")


def read_rows(path: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yields (place, row); a row has either `PAIR_COLUMNS` or `PAGE_COLUMNS`.

    Raises:
        InputError: the file cannot be read, a line is malformed, or has other columns; names the line.
    """
    suffix = os.path.splitext(path)[1].lower()
    rows = _delimited(path, "\t" if suffix == ".tsv" else ",") if suffix in (".csv", ".tsv") else _json_lines(path)
    kind: tuple[str, ...] = ()
    try:
        for place, row in rows:
            kind = kind or next((columns for columns in (PAIR_COLUMNS, PAGE_COLUMNS) if row.keys() >= set(columns)), ())
            missing = [name for name in kind or PAIR_COLUMNS if row.get(name) is None]
            if missing:
                raise InputError(
                    f"{place}: has no {' and no '.join(missing)}; the columns are {', '.join(PAIR_COLUMNS)}, or "
                    f"{' and '.join(PAGE_COLUMNS)}"
                )
            for name in kind:
                if name != "label":
                    if not isinstance(row[name], str):
                        raise InputError(f"{place}: {name} must be a string, not {row[name]!r}")
                    check_text(row[name], f"{place}: {name}")
            yield place, row
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    if not kind:
        raise InputError(f"{path}: no rows in it; add some below the column names")


def is_of_pairs(path: str) -> bool:
    """Whether the first row is a labelled pair.

    Raises:
        InputError: as `read_rows`.
    """
    return "label" in next(read_rows(path))[1]


def read_table(path: str, document: Callable[[str], str]) -> Iterator[Document]:
    """Yields a table of title and text as documents, as `group_pages` does.

    Raises:
        InputError: as `read_rows`.
    """
    yield from group_pages(((str(row["title"]), str(row["text"])) for _, row in read_rows(path)), document)


def _lines(file: TextIO, path: str) -> Iterator[str]:
    """The file's lines; one that would fill the memory is refused."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE:
            raise InputError(
                f"{path}: line {number} has more than {LONGEST_LINE:,} characters; is this the file that you meant?"
            )
        yield line


def _delimited(path: str, delimiter: str) -> Iterator[tuple[str, dict[str, object]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(_lines(file, path), delimiter=delimiter, strict=True)
        try:
            for row in reader:
                yield f"{path}: line {reader.line_num}", row
        except csv.Error as error:
            raise InputError(f"{path}: line {reader.line_num}: {error}; mend the quotation marks") from None


def _json_lines(path: str) -> Iterator[tuple[str, dict[str, object]]]:
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(_lines(file, path), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path}: line {number}: not JSON: {error.msg}") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}: line {number}: must be an object with the columns' names")
            yield f"{path}: line {number}", row
