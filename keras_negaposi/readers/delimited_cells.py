"""Parses CSV and TSV into rows of cells: RFC 4180, and tab-separated text with and without quoting.

All programs agree on cells without quotation marks, and on ``"..."`` with ``""`` for a quotation mark inside. Any other
quotation mark is read as all programs read it, or rejected, so that none can swallow rows up to the next one. Python's
`csv` module cannot do this: it reads a stray quotation mark as the beginning of a cell that spans rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.readers.text_lines import LONGEST_LINE, too_long

TAB = "\t"
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
_FIX = 'if it belongs to the text, quote the cell and double the quotation marks in it: """..."'


class Cells:
    """Iterates over the rows of a table.

    Args:
        lines: (number, line with its line break).
        delimiter: one character. With a tab, a quotation mark that does not quote the whole cell belongs to its text,
            because some programs never quote (Google Sheets).
        name: name of the file in error messages.
    """

    def __init__(self, lines: Iterator[tuple[int, str]], delimiter: str, name: str) -> None:
        self._lines, self._delimiter, self._name = lines, delimiter, name
        self._size = 0
        self.look_like_rows: Callable[[list[list[str]]], bool] = lambda rows: False
        """Returns whether the lines of a quoted cell look like rows of this table; such a cell is rejected."""

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yields (number of the first line, cells) for each row. A blank line has no cells.

        Raises:
            InputError: a quotation mark is at an invalid place; names the line.
        """
        for number, line in self._lines:
            text = line.rstrip("\r\n")
            if '"' in text:
                yield number, self._row(number, line)
            else:
                yield number, text.split(self._delimiter) if text else []

    def _row(self, number: int, line: str) -> list[str]:
        self._number, self._line = number, line
        cells: list[str] = []
        at: int | None = 0
        while at is not None:
            cell, at = self._quoted(at, cells) if self._line.startswith('"', at) else self._plain(at)
            cells.append(cell)
        return cells

    def _plain(self, at: int) -> tuple[str, int | None]:
        """Returns a cell without quoting, and where the next one begins; ``None`` at the end of the row."""
        end = self._line.find(self._delimiter, at)
        cell = self._line[at:end] if end >= 0 else self._line[at:].rstrip("\r\n")
        if self._delimiter != TAB and cell[:1].isspace() and cell.lstrip().startswith('"'):
            raise InputError(f"{self._name}: line {self._number}: remove the space before the quotation mark")
        return cell, end + 1 if end >= 0 else None

    def _quoted(self, begin: int, before: list[str]) -> tuple[str, int | None]:
        """Returns a quoted cell that begins at ``begin``, after the cells ``before``; otherwise like `_plain`."""
        number, at = self._number, begin + 1
        lines: list[str] = []  # the lines of the cell before the one in which it ends
        parts: list[str] = []
        # Read up to the closing quotation mark
        while (end := self._end_inside(at)) == len(self._line):
            parts.append(self._line[at:])
            lines.append(self._line if lines else self._line[begin:])
            self._next_line(number, lines)
            at = 0
        parts.append(self._line[at:end])
        # Reject a cell of several lines that may have been meant as several rows
        if lines:
            rows = [line.rstrip("\r\n").split(self._delimiter) for line in (*lines, self._line)]
            rows[0] = before + rows[0]
            tabs = self._delimiter == TAB and TAB in parts[-1]
            if tabs or self.look_like_rows([row for row in rows if any(map(str.strip, row))]):
                raise self._not_closed(number, lines[0])
        # Check what follows the closing quotation mark
        behind = self._line[end + 1 : end + 2]
        if behind not in ("", "\r", "\n", self._delimiter):
            if self._delimiter == TAB and not lines:
                return self._plain(begin)
            raise InputError(
                f"{self._name}: line {self._number}: text follows the closing quotation mark of a cell; {_FIX}"
            )
        return "".join(parts).replace('""', '"'), end + 2 if behind == self._delimiter else None

    def _end_inside(self, at: int) -> int:
        """Returns the position of the closing quotation mark, or the end of the line."""
        inside = _INSIDE.match(self._line, at)
        return inside.end() if inside else at

    def _next_line(self, number: int, lines: list[str]) -> None:
        """Advances to the next line of a cell that began in line ``number`` and spans ``lines``."""
        following = None if self._delimiter == TAB and TAB in lines[-1] else next(self._lines, None)
        if following is None:
            raise self._not_closed(number, lines[0])
        self._size = len(lines[-1]) + (self._size if len(lines) > 1 else 0)
        if self._size > LONGEST_LINE:
            raise too_long(self._name, number)
        self._number, self._line = following

    def _not_closed(self, number: int, first: str) -> InputError:
        begin = quoted(first.split(self._delimiter, 1)[0].rstrip("\r\n"))
        problem = f"the cell {begin} begins with a quotation mark that is not closed in its row"
        return InputError(f"{self._name}: line {number}: {problem}; {_FIX}")
