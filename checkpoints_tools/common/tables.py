r"""Reads and writes tab-separated tables with any text in a cell and one row per line.

Characters that end a cell or a line in this or other readers (tab, LF, CR, U+000B, U+2028 and so on) are escaped as
``\t``, ``\n``, ``\r``, ``\\`` or ``\uXXXX``. Python's ``csv`` would quote cells that contain line breaks, so that a row
would span several lines. Tables of older versions, which escape nothing, are read too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_NAMED = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_CHARACTERS = {escape: character for character, escape in _NAMED.items()}
_SPECIAL = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Backslash, control characters, Unicode's line separators, and lone surrogates, which UTF-8 cannot encode."""
_ESCAPES = re.compile(r"\\(?:u[0-9a-f]{4}|[\\tnr])")


def escaped(cell: str) -> str:
    """Escapes a cell; `unescaped` is the inverse."""
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or f"\\u{ord(found[0]):04x}", cell)


def unescaped(cell: str) -> str:
    """Undoes `escaped`; a backslash that begins no escape stays."""
    return _ESCAPES.sub(lambda found: _CHARACTERS.get(found[0]) or chr(int(found[0][2:], 16)), cell)


def write_rows(rows: Iterable[Sequence[str]]) -> str:
    """Formats rows as text."""
    return "".join("\t".join(map(escaped, row)) + "\n" for row in rows)


def read_rows(text: str) -> list[list[str]]:
    """Splits the text of `write_rows` into rows of cells, which the caller has to unescape."""
    return [line.removesuffix("\r").split("\t") for line in text.removesuffix("\n").split("\n")]
