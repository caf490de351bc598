"""Reads a large JSON file one value at a time, with the checks of `json_text`.

ijson streams JSON too, but accepts repeated keys, does not limit the size of a value, and names no line and column.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NoReturn

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import BLOCK, opened
from checkpoints_tools.common.json_text import SURROGATE, check_strings, key_twice, make_decoder, too_deep

LONGEST_VALUE = 32 << 20
"""Most characters of a list's item or an object's member, which has to fit into memory; no real page is as long."""
MOST_PARTS = 1000
"""An object with more members is a mapping of many items, not a structure with named parts."""
UNDECIDED = 16
"""An error within this many characters of the end of the text read so far may be an incomplete word or escape."""

_NOT_SPACE = re.compile(r"[^ \t\n\r]")
_COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
_NEXT_KEY = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_BEGINS = {"[": "start_array", "{": "start_map", '"': "string"}


def stream_items(path: str, prefix: str, may_be_empty: bool = False) -> Iterator[object]:
    """Yields the items of a list.

    Args:
        path: path of a JSON file.
        prefix: ``item`` if the file is the list, ``pages.item`` if the list is the member ``pages`` of its object.
        may_be_empty: whether the list may be empty or missing.

    Raises:
        InputError: the file is missing, not JSON or not UTF-8, or the list is empty and must not be.
    """
    key = prefix.removesuffix("item").removesuffix(".")
    count = 0
    with opened(path) as file:
        cursor = _Cursor(file, path)
        for name in cursor.members() if key else [key]:
            if name == key and cursor.peek() == "[":
                for item in cursor.items():
                    count += 1
                    yield item
            else:
                cursor.skip()
        cursor.finish()
    if not count and not may_be_empty:
        raise InputError(f"{path}: contains no {key or 'item'}; is this the file that you meant?")


def stream_members(path: str) -> Iterator[tuple[str, object]]:
    """Yields the (key, value) pairs of a JSON object.

    Raises:
        InputError: as `stream_items`.
    """
    with opened(path) as file:
        cursor = _Cursor(file, path)
        for key in cursor.members():
            yield key, cursor.value(key)
        cursor.finish()


def stream_kinds(path: str) -> Iterator[tuple[str, str]]:
    """Yields each key of a JSON object with its value's kind: ``start_array``, ``start_map``, ``string`` or ``other``.

    Raises:
        InputError: as `stream_items`.
    """
    with opened(path) as file:
        cursor = _Cursor(file, path)
        for key in cursor.members():
            yield key, _BEGINS.get(cursor.peek(), "other")
            cursor.skip()
        cursor.finish()


def check_json(path: str) -> object:
    """Reads a JSON file to its end, and returns its value, but a list or object without its content.

    Raises:
        InputError: as `stream_items`.
    """
    with opened(path) as file:
        cursor = _Cursor(file, path)
        value = cursor.skip()
        cursor.finish()
    return value


def first_character(path: str) -> str:
    """Returns the first character of the JSON in a file, ``[`` for a list.

    Raises:
        InputError: the file cannot be read, is not UTF-8, or is empty.
    """
    with opened(path) as file:
        return _Cursor(file, path).peek()


def has_list(path: str, key: str) -> bool:
    """Returns whether one of the first members of an object is a list with the given key; stops reading there.

    Raises:
        InputError: as `stream_items`.
    """
    return any(found == (key, "start_array") for found in islice(stream_kinds(path), MOST_PARTS))


class _Cursor:
    """A position in a JSON file, of which only the text around the current value is in memory."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._decoder = make_decoder(path)
        self._text, self._at, self._rest = "", 0, b""
        self._bytes, self._lines, self._columns = 0, 1, 1
        self._suspect = False
        if not self.peek():
            raise InputError(f"{path}: the file is empty")

    def peek(self) -> str:
        """Returns the next character that is not white space, or an empty string at the end."""
        while True:
            match = _NOT_SPACE.search(self._text, self._at)
            self._at = match.start() if match else len(self._text)
            if match:
                return match[0]
            if not self._read():
                return ""

    def value(self, key: str | None = None) -> object:
        """Reads the next value; ``key`` is the member's key if it is the value of a member."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                at_space = self._text[self._at : self._at + 1] in " \t\n\r"  # or at the end
                if not (at_space and self.peek()):
                    self._read_on(error.msg, self._at if at_space else error.pos)
            except RecursionError:
                raise too_deep(self._path) from None
            else:
                if end + len("e+") < len(self._text) or not self._read():  # otherwise a number may continue
                    break
        if self._suspect:
            place = f"{self._path}: line {self._line_column(self._at)[0]}"
            check_strings(value if key is None else {key: value}, place)
        self._at = end
        return value

    def items(self) -> Iterator[object]:
        """Reads a list, one item at a time."""
        self._open("[", "list")
        if self.peek() == "]":
            self._at += 1
            return
        yield self.value()
        while self._passes(_COMMA) or self._continues("]"):
            yield self.value()

    def members(self) -> Iterator[str]:
        """Reads an object and yields its keys; the caller reads the value after each key."""
        seen: set[str] = set()
        self._open("{", "object")
        if self.peek() == "}":
            self._at += 1
            return
        key: str | None = self._key()
        while key is not None:
            if key in seen:
                raise key_twice(self._path, key)
            seen.add(key)
            yield key
            found = self._passes(_NEXT_KEY)
            key = found[1] if found else self._key() if self._continues("}") else None

    def skip(self) -> object:
        """Reads a value, one item or member at a time, and returns it, but a list or object without its content."""
        begin = self.peek()
        if begin == "[":
            for _ in self.items():
                pass
            return []
        if begin == "{":
            for _ in self.members():
                self.value()
            return {}
        return self.value()

    def finish(self) -> None:
        """Checks that nothing follows the last value."""
        if self.peek():
            self._fail("Extra data", self._at)

    def _passes(self, usual: re.Pattern[str]) -> re.Match[str] | None:
        """Reads the usual separator, if all of it is in memory already: faster than character by character."""
        found = usual.match(self._text, self._at)
        if found and found.end() < len(self._text):
            self._at = found.end()
            return found
        return None

    def _key(self) -> str:
        if self.peek() != '"':
            self._fail("Expecting property name enclosed in double quotes", self._at)
        key = str(self.value())
        if self.peek() != ":":
            self._fail("Expecting ':' delimiter", self._at)
        self._at += 1
        return key

    def _continues(self, close: str) -> bool:
        """Reads the comma, or the bracket that closes a list or object; returns whether it was the comma."""
        found = self.peek()
        if found != "," and found != close:
            self._fail("Expecting ',' delimiter", self._at)
        self._at += 1
        return found == ","

    def _open(self, bracket: str, name: str) -> None:
        if self.peek() != bracket:
            self.skip()  # reports a syntax error, if there is one
            raise InputError(f"{self._path}: must be one JSON {name}; is this the file that you meant?")
        self._at += 1

    def _read_on(self, problem: str, position: int) -> None:
        """Reads more if the error may be due to the end of the text read so far; otherwise fails."""
        open_end = problem.startswith("Unterminated string") or position > len(self._text) - UNDECIDED
        if not open_end or not self._read():
            self._fail(problem, position)

    def _read(self) -> bool:
        """Reads another block, at least as long as the unread text, so that a long value takes linear time.

        Returns:
            Whether there was anything left to read.
        """
        waiting = len(self._text) - self._at
        if waiting > LONGEST_VALUE:
            line, _ = self._line_column(self._at)
            raise InputError(
                f"{self._path}: the value at line {line} has more than {LONGEST_VALUE:,} characters; "
                "is this the file that you meant?"
            )
        block = self._file.read(max(BLOCK, waiting))
        data = self._rest + block
        if not self._bytes and data.startswith(codecs.BOM_UTF8):
            self._bytes, data = len(codecs.BOM_UTF8), data.removeprefix(codecs.BOM_UTF8)
        try:
            text, taken = codecs.utf_8_decode(data, "strict", not block)
        except UnicodeDecodeError as error:
            raise InputError(f"{self._path}: not UTF-8 at byte {self._bytes + error.start}; save it as UTF-8") from None
        if not block:
            return False
        self._bytes += taken
        self._rest = data[taken:]
        self._lines, self._columns = self._line_column(self._at)
        self._text, self._at = self._text[self._at :] + text, 0
        self._suspect = self._suspect or SURROGATE.search(self._text) is not None
        return True

    def _line_column(self, position: int) -> tuple[int, int]:
        lines = self._text.count("\n", 0, position)
        before = self._text.rfind("\n", 0, position)
        return self._lines + lines, position - before if lines else self._columns + position

    def _fail(self, problem: str, position: int) -> NoReturn:
        line, column = self._line_column(position)
        raise InputError(f"{self._path}: not JSON at line {line}, column {column}: {problem}")
