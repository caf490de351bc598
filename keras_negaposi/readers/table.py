"""Reads tables of labelled pairs, of pairs or of pages: CSV, TSV, JSON lines and Parquet whose columns have names.

All commands read tables here. The suffix of a file tells whether it is CSV, TSV, JSON lines or Parquet; without a known
suffix, its first line does. The delimiter (comma, semicolon or tab) follows from the names in the first row, or from
the line ``sep=;`` of Excel. See `columns` for the columns, `delimited_rows` for CSV and TSV, `delimited_cells` for
quoting, and `parquet_rows` for Parquet.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from itertools import chain, dropwhile
from typing import BinaryIO

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import opened
from checkpoints_tools.common.json_text import parse_json
from keras_negaposi.readers.columns import (
    PAGE_COLUMNS,
    PAIR_COLUMNS,
    TEXT_COLUMNS,
    Columns,
    Row,
    Wanted,
    blank_line,
)
from keras_negaposi.readers.delimited_cells import TAB
from keras_negaposi.readers.delimited_rows import delimited_rows
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.page_order import order_pages
from keras_negaposi.readers.parquet_rows import SUFFIX as PARQUET
from keras_negaposi.readers.parquet_rows import parquet_rows
from keras_negaposi.readers.text_lines import Line, read_lines

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", PARQUET)
JSON_SUFFIXES = (".jsonl", ".ndjson")
_JSON = re.compile(r'\s*(\[\s*["\]]|\{\s*(["}]|$))')
PAIRS_OR_PAGES = Wanted((PAIR_COLUMNS, PAGE_COLUMNS))


def read_rows(path: str, wanted: Wanted = PAIRS_OR_PAGES) -> Iterator[Row]:
    """Yields the rows of a table, without blank ones. Each has the columns of one of the kinds, and perhaps others.

    Raises:
        InputError: the file cannot be read, a line is malformed, or a column is missing; names the line.
    """
    empty = True
    with opened(path) as file:
        for row in _rows(file, path, path, wanted)[1]:
            empty = False
            yield row
    if empty:
        raise InputError(f"{path}: contains no rows; add some below the column names")


def read_pairs(
    file: BinaryIO, name: str, path: str = "", columns: Columns = ()
) -> tuple[bool, Iterator[tuple[str, str]]]:
    """Reads pairs of texts, each as soon as it arrives: the columns `TEXT_COLUMNS`, or two columns without names.

    Args:
        file: read from its beginning; may be a terminal or pipe.
        name: name of the file in error messages.
        path: path of the file, if its suffix may tell the format.
        columns: the user's names of the `TEXT_COLUMNS`.

    Returns:
        Whether the input is JSON lines, and the pairs, one per row.

    Raises:
        InputError: a row is not a pair; names the line.
    """
    wanted = Wanted((TEXT_COLUMNS,), columns, flag=True, every_row=True)
    is_json, rows = _rows(file, name, path, wanted)
    return is_json, ((str(row["text_a"]), str(row["text_b"])) for _, row in rows)


def is_of_pairs(path: str) -> bool:
    """Returns whether the first row of a table is a labelled pair.

    Raises:
        InputError: as `read_rows`.
    """
    return next(read_rows(path))[1].keys() >= set(PAIR_COLUMNS)


def read_table(path: str, document: Callable[[str], str]) -> Iterator[Document]:
    """Yields the pages in a table of titles and texts as documents, grouped and ordered by `order_pages`.

    Raises:
        InputError: as `read_rows`, or a title is empty.
    """

    def pages() -> Iterator[tuple[str, str]]:
        for place, row in read_rows(path, Wanted((PAGE_COLUMNS,))):
            if not str(row["title"]).strip():
                raise InputError(f"{place}: the title is empty; give the page a title")
            yield str(row["title"]), str(row["text"])

    yield from order_pages(pages(), document)


def _rows(file: BinaryIO, name: str, path: str, wanted: Wanted) -> tuple[bool, Iterator[Row]]:
    """Returns whether the file is JSON lines, and the rows.

    Args:
        file: read from its beginning.
        name: name of the file in error messages.
        path: path of the file, whose suffix may tell the format.
        wanted: the columns that the table must have.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix == PARQUET:
        return False, parquet_rows(file, name, wanted)
    lines = read_lines(file, name)
    if not wanted.every_row:
        lines = dropwhile(lambda line: not line[1].strip(), lines)
    first = next(lines, None)
    if first is None:
        return suffix in JSON_SUFFIXES, iter(())
    if _is_json(first[1], suffix):
        return True, _json_rows(chain([first], lines), name, wanted)
    return False, delimited_rows(first, lines, name, suffix, wanted)


def _is_json(first: str, suffix: str) -> bool:
    """Returns whether the first line is JSON, or is meant to be. A line of cells may also begin with a bracket."""
    if suffix in (".csv", *JSON_SUFFIXES):
        return suffix != ".csv"
    return _JSON.match(first) is not None and (TAB not in first or (suffix != ".tsv" and _parses(first)))


def _parses(line: str) -> bool:
    with contextlib.suppress(InputError):
        parse_json(line, "")
        return True
    return False


def _json_rows(lines: Iterator[Line], name: str, wanted: Wanted) -> Iterator[Row]:
    kind: Columns = ()
    keys: list[str] = []
    names: list[str] = []
    for number, line in lines:
        place = f"{name}: line {number}"
        if not line.strip():
            if wanted.every_row:
                raise blank_line(place)
            continue
        row = parse_json(line, place, one_line=True)
        if wanted.every_row and isinstance(row, list) and len(row) == len(TEXT_COLUMNS):
            row = dict(zip(wanted.given or TEXT_COLUMNS, row, strict=True))
        if not isinstance(row, dict):
            what = (
                'be {"text_a": ..., "text_b": ...} or [text_a, text_b]'
                if wanted.every_row
                else "be an object of columns"
            )
            raise InputError(f"{place}: must {what}, not {quoted(row)}")
        if [*row] != keys:
            keys, names = [*row], wanted.rename(place, row)
        kind = kind or wanted.check_header(place, keys)[1]
        values = dict(zip(names, row.values(), strict=True))
        wanted.check_row(place, values, kind)
        yield place, values
