"""The columns that a table may have, and the checks of its header and rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.pairs import LABELS

Columns = tuple[str, ...]
"""A kind of table, given by the names of its required columns."""
Row = tuple[str, dict[str, object]]
"""The place of a row, for error messages, and its values by column."""

PAIR_COLUMNS = ("text_a", "text_b", "label")
PAGE_COLUMNS = ("title", "text")
TEXT_COLUMNS = ("text_a", "text_b")


def plain_name(cell: str) -> str:
    """Returns a column's name in lower case, without white space and byte order mark."""
    return cell.strip("\ufeff").strip().casefold()


def find_kind(names: Iterable[str], kinds: Sequence[Columns]) -> Columns:
    """Returns the kind whose columns are all present; otherwise the one with most columns present."""
    present = [{*kind} & {*names} for kind in kinds]
    return max(zip(kinds, present, strict=True), key=lambda pair: (len(pair[0]) == len(pair[1]), len(pair[1])))[0]


def check_header(place: str, names: Sequence[str], kinds: Sequence[Columns]) -> Columns:
    """Returns the kind of a table with these columns.

    Raises:
        InputError: a column is missing, or appears twice.
    """
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice:
        raise InputError(f"{place}: two columns have the name {quoted(twice)}; rename one")
    kind = find_kind(names, kinds)
    check_columns(place, dict.fromkeys(names, ""), kind, kinds, "; the first row must name the columns")
    return kind


def check_columns(place: str, row: dict[str, object], kind: Columns, kinds: Sequence[Columns], more: str = "") -> None:
    """Checks that a row has a value in each column of its kind, and that texts and titles are strings.

    Raises:
        InputError: names the column; ``more`` is the end of the message.
    """
    missing = [name for name in kind if row.get(name) is None]
    if missing:
        known = ", or ".join(" and ".join(columns) for columns in kinds)
        raise InputError(f"{place}: has no {' and no '.join(missing)}; the required columns are {known}{more}")
    for name in kind:
        if name != "label" and not isinstance(row[name], str):
            raise InputError(f"{place}: {name} must be a string, not {quoted(row[name])}")


def row_detector(names: Sequence[str]) -> Callable[[list[list[str]]], bool]:
    """Returns a function that tells whether the lines of one quoted cell are rows of the table by themselves.

    They are if all of them have a valid label; without a label column, if there are more than two, which cannot be by
    chance.
    """
    label = names.index("label") if "label" in names else None

    def are_rows(rows: list[list[str]]) -> bool:
        if any(len(row) != len(names) for row in rows):
            return False
        return len(rows) > 2 if label is None else all(row[label].strip() in LABELS for row in rows)

    return are_rows


def blank_line(place: str) -> InputError:
    """Returns the error for a blank line in a table that has a pair in every line."""
    return InputError(f"{place}: is blank, but every line must be a pair; remove it")
