"""The columns that a table may have, and the checks of its header and rows."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.pairs import LABELS

Columns = tuple[str, ...]
"""A kind of table, given by the names of its required columns."""
Row = tuple[str, dict[str, object]]
"""The place of a row, for error messages, and its values by column."""

GROUP = "group"
PAIR_COLUMNS = ("text_a", "text_b", "label")
GROUPED_COLUMNS = (*PAIR_COLUMNS, GROUP)
PAGE_COLUMNS = ("title", "text")
TEXT_COLUMNS = ("text_a", "text_b")
OUR_NAMES = {*GROUPED_COLUMNS, *PAGE_COLUMNS}
MOST_NAMED = 10
"""Columns that a message names."""
FIX = "the first row must name the columns"


def plain_name(cell: str) -> str:
    """Returns a column's name in lower case, without white space and byte order mark."""
    return cell.strip("\ufeff").strip().casefold()


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The columns that a table must have.

    Attributes:
        kinds: the kinds of tables that are accepted.
        given: the user's names of the columns of the only kind, in its order; the same as ours if empty.
        flag: whether the command has ``--columns``, which the message about a missing column then names.
        every_row: whether every line must be a row, so that none may be blank; then two columns need no names.
    """

    kinds: Sequence[Columns]
    given: Columns = ()
    flag: bool = False
    every_row: bool = False

    def rename(self, place: str, names: Iterable[str]) -> list[str]:
        """Returns our names of a table's columns; a column that has one by chance loses it.

        Raises:
            InputError: two columns have the same name.
        """
        plain = [plain_name(name) for name in names]
        twice = next((name for name, count in Counter(plain).items() if name and count > 1), None)
        if twice:
            raise InputError(f"{place}: two columns have the name {quoted(twice)}; rename one")
        if not self.given:
            return plain
        ours = dict(zip(map(plain_name, self.given), self.kinds[0], strict=True))
        return [ours.get(name, "" if name in OUR_NAMES else name) for name in plain]

    def find_kind(self, names: Iterable[str]) -> Columns:
        """Returns the kind whose columns are all present; otherwise the one with most columns present."""
        present = [{*kind} & {*names} for kind in self.kinds]
        pairs = zip(self.kinds, present, strict=True)
        return max(pairs, key=lambda pair: (len(pair[0]) == len(pair[1]), len(pair[1])))[0]

    def check_header(self, place: str, header: Sequence[str]) -> tuple[list[str], Columns]:
        """Returns our names of a table's columns, and its kind.

        Raises:
            InputError: a column is missing, or appears twice.
        """
        names = self.rename(place, header)
        kind = self.find_kind(names)
        self.check_present(place, names, kind, header)
        return names, kind

    def check_present(self, place: str, names: Iterable[str], kind: Columns, header: Iterable[str] = ()) -> None:
        """Checks that a header or row has the columns of a kind.

        Args:
            place: of the header or row.
            names: our names of its columns.
            kind: of the table.
            header: the names that the message lists.

        Raises:
            InputError: names the columns that are missing.
        """
        present = {*names}
        missing = [self._shown(name) for name in kind if name not in present]
        if not missing:
            return
        known = ", or ".join(" and ".join(map(self._shown, columns)) for columns in self.kinds)
        line = f"{place}: has no {' and no '.join(missing)}; the required columns are {known}"
        there = [quoted(name.strip()) for name in header if name.strip()]
        if there:
            more = ", ..." if len(there) > MOST_NAMED else ""
            line += f"; this table has {', '.join(there[:MOST_NAMED])}{more}; "
            line += f"give the names of yours as --columns {','.join(self.kinds[0]).upper()}" if self.flag else FIX
        raise InputError(line)

    def check_row(self, place: str, row: Mapping[str, object], kind: Columns) -> None:
        """Checks that a row has a value in each column of its kind, and that all but labels are strings.

        Raises:
            InputError: names the column.
        """
        self.check_present(place, (name for name in row if row[name] is not None), kind)
        for name in kind:
            if name != "label" and not isinstance(row[name], str):
                raise InputError(f"{place}: {self._shown(name)} must be a string, not {quoted(row[name])}")

    def _shown(self, name: str) -> str:
        """Returns the user's name of a column."""
        return self.given[self.kinds[0].index(name)] if self.given else name


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
