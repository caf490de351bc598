"""Reading one huge JSON file a value at a time (ijson)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

import ijson

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import opened

LONGEST_STRING = 16 << 20
"""Bytes without a quotation mark: no page has so long a line, and it would have to be held in memory."""

NESTED = b"[" * 1000
"""Lists in lists without end: ijson keeps the whole path of each, which takes gigabytes."""


def stream_items(path: str, prefix: str, may_be_empty: bool = False) -> Iterator[object]:
    """Yields the values at an ijson prefix (``pages.item``); an object that names a key twice is refused.

    Raises:
        InputError: the file is missing, not JSON or not UTF-8, or has nothing there unless it may.
    """

    class Unique(dict[str, object]):
        def __setitem__(self, key: str, value: object) -> None:
            if key in self:
                raise InputError(f'{path}: the key "{key}" appears twice in one object; keep one of the two')
            super().__setitem__(key, value)

    count = 0
    for value in _refusing(path, lambda file: ijson.items(file, prefix, map_type=Unique, use_float=True)):
        count += 1
        yield value
    if not count and not may_be_empty:
        raise InputError(f"{path}: no {prefix.removesuffix('.item')} in it; is this the file that you meant?")


def stream_members(path: str) -> Iterator[tuple[str, object]]:
    """Yields the (key, value) of a JSON object.

    Raises:
        InputError: as `stream_items`.
    """
    yield from _refusing(path, lambda file: ijson.kvitems(file, ""))


def stream_kinds(path: str) -> Iterator[tuple[str, str]]:
    """Yields each key of a JSON object with what its value begins with: ``start_array``, ``start_map``, ``string``, ...

    Raises:
        InputError: as `stream_items`.
    """
    key = None
    for prefix, event, value in _refusing(path, ijson.parse):
        if key is not None:
            yield key, event
        key = value if (prefix, event) == ("", "map_key") else None


def first_character(path: str) -> str:
    """What the JSON in a file begins with, ``[`` for a list; empty where there is nothing.

    Raises:
        InputError: the file cannot be read.
    """
    with opened(path) as file:
        _skip_byte_order_mark(file)
        while block := file.read(4096):
            if begin := block.lstrip():
                return chr(begin[0])
    return ""


def has_list(path: str, key: str) -> bool:
    """Whether the file is an object with a list under ``key``; stops reading there.

    Raises:
        InputError: as `stream_items`.
    """
    return any(name == key for name, _ in stream_kinds(path))


def _refusing(path: str, read) -> Iterator:  # noqa: ANN001 - ijson has no types
    with opened(path) as file:
        _skip_byte_order_mark(file)
        try:
            yield from read(_Guarded(file, path))
        except (ijson.JSONError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise InputError(f"{path}: not JSON in UTF-8, or cut off, before byte {file.tell():,}: {reason}") from None


def _skip_byte_order_mark(file: BinaryIO) -> None:
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)


class _Guarded:
    """A file whose strings are of bearable length."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._since_quote = 0

    def read(self, size: int = -1) -> bytes:
        """As a file's."""
        block = self._file.read(size)
        if NESTED in block:
            raise InputError(f"{self._path}: nested too deeply; is this the file that you meant?")
        quote = block.rfind(b'"')
        self._since_quote = len(block) - quote - 1 if quote >= 0 else self._since_quote + len(block)
        if self._since_quote > LONGEST_STRING:
            raise InputError(
                f"{self._path}: more than {LONGEST_STRING >> 20} MB without a quotation mark before byte "
                f"{self._file.tell():,}; no text is so long: is this the file that you meant?"
            )
        return block
