"""CSV and TSV as rows of cells: RFC 4180, and tab-separated text with and without its quotation marks.

Programs agree on cells without quotation marks and on ``"..."`` with ``""`` for a mark inside. Other marks are read as
all programs read them, or refused: none may swallow the rows up to the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.readers.text_lines import LONGEST_LINE, too_long

TAB = "\t"
_INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')
_FIX = 'if the mark belongs to the text, put the cell in quotation marks and double those in it: """..."'


class Cells:
    """The rows of cells in lines.

    Args:
        lines: (number, line with its end).
        delimiter: one character. With a tab, a quotation mark that does not quote the whole cell is a part of its text:
            some programs never quote (Google Sheets).
        name: of the file in an error.
    """

    def __init__(self, lines: Iterator[tuple[int, str]], delimiter: str, name: str) -> None:
        self._lines, self._delimiter, self._name = lines, delimiter, name
        self._size = 0
        self.look_like_rows: Callable[[list[list[str]]], bool] = lambda rows: False
        """Of the lines that one quoted cell covers: whether they are rows of this table by themselves."""

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yields (number of its first line, cells) of each row; a blank line has none.

        Raises:
            InputError: quotation marks are not where they can be; names the line.
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
        """A cell as it is written, and where the next one begins, if there is one."""
        end = self._line.find(self._delimiter, at)
        cell = self._line[at:end] if end >= 0 else self._line[at:].rstrip("\r\n")
        if self._delimiter != TAB and cell[:1].isspace() and cell.lstrip().startswith('"'):
            raise InputError(f"{self._name}: line {self._number}: remove the space before the quotation mark")
        return cell, end + 1 if end >= 0 else None

    def _quoted(self, begin: int, before: list[str]) -> tuple[str, int | None]:
        """`_plain` of a cell whose quotation mark stands at ``begin``, after the cells ``before``."""
        number, at = self._number, begin + 1
        lines: list[str] = []  # that the cell covers before the one where it ends
        parts: list[str] = []
        # Up to the quotation mark that closes
        while (end := _INSIDE.match(self._line, at).end()) == len(self._line):  # type: ignore[union-attr]
            parts.append(self._line[at:])
            lines.append(self._line if lines else self._line[begin:])
            self._next_line(number, lines)
            at = 0
        parts.append(self._line[at:end])
        # What covers several lines may have been meant as several rows
        if lines:
            rows = [line.rstrip("\r\n").split(self._delimiter) for line in (*lines, self._line)]
            rows[0] = before + rows[0]
            tabs = self._delimiter == TAB and TAB in parts[-1]
            if tabs or self.look_like_rows([row for row in rows if any(map(str.strip, row))]):
                raise self._not_closed(number, lines[0])
        # Behind the mark
        behind = self._line[end + 1 : end + 2]
        if behind not in ("", "\r", "\n", self._delimiter):
            if self._delimiter == TAB and not lines:
                return self._plain(begin)
            raise InputError(
                f"{self._name}: line {self._number}: there is text behind the quotation mark that closes a cell; {_FIX}"
            )
        return "".join(parts).replace('""', '"'), end + 2 if behind == self._delimiter else None

    def _next_line(self, number: int, lines: list[str]) -> None:
        """Goes to the next line of a cell that began in line ``number`` and covers ``lines``."""
        following = None if self._delimiter == TAB and TAB in lines[-1] else next(self._lines, None)
        if following is None:
            raise self._not_closed(number, lines[0])
        self._size = len(lines[-1]) + (self._size if len(lines) > 1 else 0)
        if self._size > LONGEST_LINE:
            raise too_long(self._name, number)
        self._number, self._line = following

    def _not_closed(self, number: int, first: str) -> InputError:
        begin = quoted(first.split(self._delimiter, 1)[0].rstrip("\r\n"))
        problem = f"the cell {begin} begins with a quotation mark, but none closes it in its row"
        return InputError(f"{self._name}: line {number}: {problem}; {_FIX}")
