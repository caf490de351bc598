"""Reads tables of labelled pairs, of pairs or of pages: CSV, TSV and JSON lines whose columns have names.

All commands read tables here. The suffix of a file tells whether it is CSV, TSV or JSON lines; without a known suffix,
its first line does. The delimiter (comma, semicolon or tab) follows from the names in the first row, or from the line
``sep=;`` of Excel. See `columns` for the columns, `delimited_rows` for CSV and TSV, and `delimited_cells` for quoting.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
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
    blank_line,
    check_columns,
    find_kind,
)
from keras_negaposi.readers.delimited_cells import TAB
from keras_negaposi.readers.delimited_rows import delimited_rows
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.page_order import order_pages
from keras_negaposi.readers.text_lines import Line, read_lines

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
JSON_SUFFIXES = (".jsonl", ".ndjson")
_JSON = re.compile(r'\s*(\[\s*["\]]|\{\s*(["}]|$))')


def read_rows(path: str, kinds: Sequence[Columns] = (PAIR_COLUMNS, PAGE_COLUMNS)) -> Iterator[Row]:
    """Yields the rows of a table, without blank ones. Each has the columns of one of the kinds, and perhaps others.

    Raises:
        InputError: the file cannot be read, a line is malformed, or a column is missing; names the line.
    """
    empty = True
    with opened(path) as file:
        for row in _rows(read_lines(file, path), path, path, kinds)[1]:
            empty = False
            yield row
    if empty:
        raise InputError(f"{path}: contains no rows; add some below the column names")


def read_pairs(file: BinaryIO, name: str, path: str = "") -> tuple[bool, Iterator[tuple[str, str]]]:
    """Reads pairs of texts, each as soon as it arrives: the columns `TEXT_COLUMNS`, or two columns without names.

    Args:
        file: read from its beginning; may be a terminal or pipe.
        name: name of the file in error messages.
        path: path of the file, if its suffix may tell the format.

    Returns:
        Whether the input is JSON lines, and the pairs, one per row.

    Raises:
        InputError: a row is not a pair; names the line.
    """
    is_json, rows = _rows(read_lines(file, name), name, path, (TEXT_COLUMNS,), every_row=True)
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
        for place, row in read_rows(path, (PAGE_COLUMNS,)):
            if not str(row["title"]).strip():
                raise InputError(f"{place}: the title is empty; give the page a title")
            yield str(row["title"]), str(row["text"])

    yield from order_pages(pages(), document)


def _rows(
    lines: Iterator[Line], name: str, path: str, kinds: Sequence[Columns], every_row: bool = False
) -> tuple[bool, Iterator[Row]]:
    """Returns whether the lines are JSON, and the rows.

    Args:
        lines: the lines of the file.
        name: name of the file in error messages.
        path: path of the file, whose suffix may tell the format.
        kinds: the kinds of tables that are accepted.
        every_row: whether every line must be a row, so that none may be blank; then two columns need no names.
    """
    if not every_row:
        lines = dropwhile(lambda line: not line[1].strip(), lines)
    suffix = os.path.splitext(path)[1].lower()
    first = next(lines, None)
    if first is None:
        return suffix in JSON_SUFFIXES, iter(())
    if _is_json(first[1], suffix):
        return True, _json_rows(chain([first], lines), name, kinds, every_row)
    return False, delimited_rows(first, lines, name, suffix, kinds, every_row)


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


def _json_rows(lines: Iterator[Line], name: str, kinds: Sequence[Columns], every_row: bool) -> Iterator[Row]:
    kind: Columns = ()
    for number, line in lines:
        place = f"{name}: line {number}"
        if not line.strip():
            if every_row:
                raise blank_line(place)
            continue
        row = parse_json(line, place, one_line=True)
        if every_row and isinstance(row, list) and len(row) == len(TEXT_COLUMNS):
            row = dict(zip(TEXT_COLUMNS, row, strict=True))
        if not isinstance(row, dict):
            what = 'be {"text_a": ..., "text_b": ...} or [text_a, text_b]' if every_row else "be an object of columns"
            raise InputError(f"{place}: must {what}, not {quoted(row)}")
        kind = kind or find_kind(row, kinds)
        check_columns(place, row, kind, kinds)
        yield place, row
