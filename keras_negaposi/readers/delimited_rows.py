"""Reads the rows of a CSV or TSV table: finds its delimiter and the names of its columns, and checks every row."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from itertools import chain

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.columns import (
    TEXT_COLUMNS,
    Row,
    Wanted,
    blank_line,
    plain_name,
    row_detector,
)
from keras_negaposi.readers.delimited_cells import TAB, Cells
from keras_negaposi.readers.text_lines import Line

DELIMITERS = {",": "comma", ";": "semicolon", TAB: "tab"}
_SEPARATOR = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)


def delimited_rows(first: Line, lines: Iterator[Line], name: str, suffix: str, wanted: Wanted) -> Iterator[Row]:
    """Yields the rows of a table.

    Args:
        first: the first line, which may be ``sep=;`` as Excel writes it.
        lines: the other lines.
        name: name of the file in error messages.
        suffix: suffix of the file's name, in lower case.
        wanted: the columns that the table must have.

    Raises:
        InputError: a line is malformed, or has other columns; names the line.
    """
    # Find the delimiter
    separator = _SEPARATOR.fullmatch(first[1])
    named = separator[1] if separator else _find_delimiter(first, suffix, wanted)
    delimiter = named or ("," if suffix == ".csv" and TAB not in first[1] else TAB)
    cells = Cells(lines if separator else chain([first], lines), delimiter, name)
    rows = iter(cells)
    # Read the names of the columns
    number, header = next(rows, (first[0] + 1, []))
    may_be_nameless = wanted.every_row and not wanted.given and not named and delimiter == TAB
    nameless = may_be_nameless and not {*map(plain_name, header)} & {*chain(*wanted.kinds)}
    if nameless:
        rows, header = chain([(number, header)], rows), list(TEXT_COLUMNS)
    names, kind = wanted.check_header(f"{name}: line {number}", header)
    cells.look_like_rows = row_detector(names)
    # Read the rows
    for number, row in rows:
        place = f"{name}: line {number}"
        if not any(map(str.strip, row)) and (not wanted.every_row or len(row) < len(kind)):
            if wanted.every_row:
                raise blank_line(place)
            continue
        if nameless and len(row) != len(names):
            raise InputError(f"{place}: must be text_a<TAB>text_b, but has {len(row)} columns")
        if len(row) > len(names):
            raise InputError(
                f"{place}: has {len(row)} cells, but there are {len(names)} columns; quote cells that contain a "
                f"{DELIMITERS.get(delimiter, delimiter)}"
            )
        values: dict[str, object] = dict(zip(names, row, strict=False))
        wanted.check_row(place, values, kind)
        if "label" in kind:
            values["label"] = str(values["label"]).strip()
        yield place, values


def _find_delimiter(first: Line, suffix: str, wanted: Wanted) -> str | None:
    """Returns the delimiter with which the first row names all columns of a kind, or ``None``."""
    for delimiter in sorted(DELIMITERS, key=lambda delimiter: (delimiter == TAB) != (suffix == ".tsv")):
        with contextlib.suppress(InputError):
            for _, cells in Cells(iter([first]), delimiter, ""):
                names = {*wanted.rename("", cells)}
                if any(names >= {*kind} for kind in wanted.kinds):
                    return delimiter
    return None
