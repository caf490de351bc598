"""Tables of labelled pairs, of pairs or of pages: CSV, TSV and JSON lines with the columns' names.

All commands read them here. A file's suffix tells CSV, TSV and JSON lines apart, otherwise its first line; the names in
the first row tell the delimiter (comma, semicolon or tab), or the line ``sep=;`` that Excel knows.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, dropwhile
from typing import BinaryIO

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import opened
from checkpoints_tools.common.json_text import parse_json
from keras_negaposi.data.pairs import LABELS
from keras_negaposi.readers.delimited import TAB, Cells
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.page_order import order_pages
from keras_negaposi.readers.text_lines import read_lines

Line = tuple[int, str]
"""Its number, and its text."""
Columns = tuple[str, ...]
Row = tuple[str, dict[str, object]]
"""Its place, and its values by column."""

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
JSON_SUFFIXES = (".jsonl", ".ndjson")
PAIR_COLUMNS = ("text_a", "text_b", "label")
PAGE_COLUMNS = ("title", "text")
TEXT_COLUMNS = ("text_a", "text_b")
DELIMITERS = {",": "comma", ";": "semicolon", TAB: "tab"}

_SEPARATOR = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
_JSON = re.compile(r'\s*(\[\s*["\]]|\{\s*(["}]|$))')


def read_rows(path: str, kinds: Sequence[Columns] = (PAIR_COLUMNS, PAGE_COLUMNS)) -> Iterator[Row]:
    """Yields the rows; each has the columns of one of the kinds, and perhaps more. Blank ones are left out.

    Raises:
        InputError: the file cannot be read, a line is malformed, or has other columns; names the line.
    """
    empty = True
    with opened(path) as file:
        for row in _rows(read_lines(file, path), path, path, kinds)[1]:
            empty = False
            yield row
    if empty:
        raise InputError(f"{path}: no rows in it; add some below the column names")


def read_pairs(file: BinaryIO, name: str, path: str = "") -> tuple[bool, Iterator[tuple[str, str]]]:
    """Reads pairs of texts, each as soon as it is there: the columns `TEXT_COLUMNS`, or two columns without names.

    Args:
        file: from its beginning.
        name: of the file in an error.
        path: of the file, where its suffix may tell what it is.

    Returns:
        Whether they are JSON lines, and the pairs, one a row.

    Raises:
        InputError: a row is no pair; names the line.
    """
    is_json, rows = _rows(read_lines(file, name), name, path, (TEXT_COLUMNS,), every_row=True)
    return is_json, ((str(row["text_a"]), str(row["text_b"])) for _, row in rows)


def is_of_pairs(path: str) -> bool:
    """Whether the first row is a labelled pair.

    Raises:
        InputError: as `read_rows`.
    """
    return next(read_rows(path))[1].keys() >= set(PAIR_COLUMNS)


def read_table(path: str, document: Callable[[str], str]) -> Iterator[Document]:
    """Yields a table of title and text as documents, as `order_pages` does.

    Raises:
        InputError: as `read_rows`, or a title is empty.
    """

    def pages() -> Iterator[tuple[str, str]]:
        for place, row in read_rows(path, (PAGE_COLUMNS,)):
            if not str(row["title"]).strip():
                raise InputError(f"{place}: the title is empty; give the page one")
            yield str(row["title"]), str(row["text"])

    yield from order_pages(pages(), document)


def _rows(
    lines: Iterator[Line], name: str, path: str, kinds: Sequence[Columns], every_row: bool = False
) -> tuple[bool, Iterator[Row]]:
    """Whether the lines are JSON, and the rows.

    Args:
        lines: of the file.
        name: of the file in an error.
        path: of the file; its suffix may tell what it is.
        kinds: what columns there may be.
        every_row: no row may be blank, and two columns need no names.
    """
    if not every_row:
        lines = dropwhile(lambda line: not line[1].strip(), lines)
    suffix = os.path.splitext(path)[1].lower()
    first = next(lines, None)
    if first is None:
        return suffix in JSON_SUFFIXES, iter(())
    if _is_json(first[1], suffix):
        return True, _json_rows(chain([first], lines), name, kinds, every_row)
    return False, _delimited_rows(first, lines, name, suffix, kinds, every_row)


def _is_json(first: str, suffix: str) -> bool:
    """Whether the first line is JSON, or is meant to be: a line of cells may begin with a bracket, too."""
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
                raise _blank(place)
            continue
        row = parse_json(line, place, one_line=True)
        if every_row and isinstance(row, list) and len(row) == len(TEXT_COLUMNS):
            row = dict(zip(TEXT_COLUMNS, row, strict=True))
        if not isinstance(row, dict):
            what = 'be {"text_a": ..., "text_b": ...} or [text_a, text_b]' if every_row else "be an object of columns"
            raise InputError(f"{place}: must {what}, not {quoted(row)}")
        kind = kind or _kind(row, kinds)
        _check_columns(place, row, kind, kinds)
        yield place, row


def _delimited_rows(
    first: Line, lines: Iterator[Line], name: str, suffix: str, kinds: Sequence[Columns], every_row: bool
) -> Iterator[Row]:
    # The delimiter
    separator = _SEPARATOR.fullmatch(first[1])
    named = separator[1] if separator else _delimiter(first, suffix, kinds)
    delimiter = named or ("," if suffix == ".csv" and TAB not in first[1] else TAB)
    cells = Cells(lines if separator else chain([first], lines), delimiter, name)
    rows = iter(cells)
    # The columns' names
    number, header = next(rows, (first[0] + 1, []))
    names = [_plain_name(cell) for cell in header]
    nameless = every_row and not named and delimiter == TAB and not {*names} & {*chain(*kinds)}
    if nameless:
        rows, names = chain([(number, header)], rows), list(TEXT_COLUMNS)
    kind = _check_header(f"{name}: line {number}", names, kinds)
    cells.look_like_rows = _like_rows(names)
    # The rows
    for number, row in rows:
        place = f"{name}: line {number}"
        if not any(map(str.strip, row)) and (not every_row or len(row) < len(kind)):
            if every_row:
                raise _blank(place)
            continue
        if nameless and len(row) != len(names):
            raise InputError(f"{place}: must be text_a<TAB>text_b, but has {len(row)} columns")
        if len(row) > len(names):
            raise InputError(
                f"{place}: has {len(row)} cells, but there are {len(names)} columns; put a cell that has a "
                f"{DELIMITERS.get(delimiter, delimiter)} in it in quotation marks"
            )
        values: dict[str, object] = dict(zip(names, row, strict=False))
        _check_columns(place, values, kind, kinds)
        if "label" in kind:
            values["label"] = str(values["label"]).strip()
        yield place, values


def _delimiter(first: Line, suffix: str, kinds: Sequence[Columns]) -> str | None:
    """The one by which the first row names all columns of a kind."""
    for delimiter in sorted(DELIMITERS, key=lambda delimiter: (delimiter == TAB) != (suffix == ".tsv")):
        with contextlib.suppress(InputError):
            for _, cells in Cells(iter([first]), delimiter, ""):
                if any({_plain_name(cell) for cell in cells} >= {*kind} for kind in kinds):
                    return delimiter
    return None


def _plain_name(cell: str) -> str:
    """A column's name, however it is written."""
    return cell.strip("\ufeff").strip().casefold()


def _check_header(place: str, names: Sequence[str], kinds: Sequence[Columns]) -> Columns:
    """The kind of the columns; refuses a header that lacks one, or has one twice."""
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice:
        raise InputError(f"{place}: two columns have the name {quoted(twice)}; rename one")
    kind = _kind(names, kinds)
    _check_columns(place, dict.fromkeys(names, ""), kind, kinds, "; the first row names the columns")
    return kind


def _kind(names: Iterable[str], kinds: Sequence[Columns]) -> Columns:
    """The columns that are all there, or most of them."""
    found = [{*kind} & {*names} for kind in kinds]
    return max(zip(kinds, found, strict=True), key=lambda pair: (len(pair[0]) == len(pair[1]), len(pair[1])))[0]


def _check_columns(place: str, row: dict[str, object], kind: Columns, kinds: Sequence[Columns], more: str = "") -> None:
    missing = [name for name in kind if row.get(name) is None]
    if missing:
        known = ", or ".join(" and ".join(columns) for columns in kinds)
        raise InputError(f"{place}: has no {' and no '.join(missing)}; the columns are {known}{more}")
    for name in kind:
        if name != "label" and not isinstance(row[name], str):
            raise InputError(f"{place}: {name} must be a string, not {quoted(row[name])}")


def _like_rows(names: Sequence[str]) -> Callable[[list[list[str]]], bool]:
    """Whether the lines of one cell are rows: by their labels, or else because three cannot be by chance."""
    label = names.index("label") if "label" in names else None

    def like_rows(rows: list[list[str]]) -> bool:
        if any(len(row) != len(names) for row in rows):
            return False
        return len(rows) > 2 if label is None else all(row[label].strip() in LABELS for row in rows)

    return like_rows


def _blank(place: str) -> InputError:
    return InputError(f"{place}: is blank, but every line must be a pair; remove it")
