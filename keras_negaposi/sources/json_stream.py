"""Reading one huge JSON file a value at a time (ijson)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import ijson

from checkpoints_tools.errors import InputError

LONGEST_STRING = 16 << 20
"""Bytes without a quotation mark: no page has so long a line, and it would have to be held in memory."""


def stream_items(path: str, prefix: str) -> Iterator[object]:
    """Yields the values at an ijson prefix (``pages.item``).

    Raises:
        InputError: the file is missing, not JSON or not UTF-8, or has nothing there.
    """
    count = 0
    for value in _refusing(path, lambda file: ijson.items(file, prefix)):
        count += 1
        yield value
    if not count:
        raise InputError(f"{path}: no {prefix.removesuffix('.item')} in it; is this the file that you meant?")


def stream_members(path: str) -> Iterator[tuple[str, object]]:
    """Yields the (key, value) of a JSON object.

    Raises:
        InputError: as `stream_items`.
    """
    yield from _refusing(path, lambda file: ijson.kvitems(file, ""))


def has_list(path: str, key: str) -> bool:
    """Whether the file is an object with a list under ``key``; stops reading there.

    Raises:
        InputError: as `stream_items`.
    """
    return any(event == ("", "map_key", key) for event in _refusing(path, ijson.parse) if event[0] == "")


def _refusing(path: str, read) -> Iterator:  # noqa: ANN001 - ijson has no types
    with open(path, "rb") as file:
        try:
            yield from read(_Guarded(file, path))
        except (ijson.JSONError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{path}: not JSON in UTF-8, or cut off, before byte {file.tell():,}: {reason}") from None


class _Guarded:
    """A file whose strings are of bearable length."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._since_quote = 0

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        block = self._file.read(size)
        quote = block.rfind(b'"')
        self._since_quote = len(block) - quote - 1 if quote >= 0 else self._since_quote + len(block)
        if self._since_quote > LONGEST_STRING:
            raise InputError(
                f"{self._path}: more than {LONGEST_STRING >> 20} MB without a quotation mark before byte "
                f"{self._file.tell():,}; no text is so long: is this the file that you meant?"
            )
        return block
