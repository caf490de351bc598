"""Normalises texts to arrays of code points: lower case, half-width Latin, full-width katakana, single spaces."""

from __future__ import annotations

import dataclasses
import functools
import unicodedata
from collections.abc import Sequence

import numpy as np

BMP = 1 << 16
SPACE = ord(" ")


@dataclasses.dataclass(frozen=True)
class CodePoints:
    """Several texts, concatenated.

    Attributes:
        points: code points of all texts, ``int64 [characters]``.
        starts: start of each text and end of the last one, ``int64 [texts + 1]``.
    """

    points: np.ndarray
    starts: np.ndarray

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Returns the length of each text in characters, ``int64 [texts]``."""
        return np.diff(self.starts)

    @functools.cached_property
    def texts(self) -> np.ndarray:
        """Returns the index of the text that each character is in, ``int64 [characters]``."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @functools.cached_property
    def positions(self) -> np.ndarray:
        """Returns the position of each character in its text, ``int64 [characters]``."""
        return np.arange(len(self.points)) - self.starts[self.texts]


def code_points(texts: Sequence[str]) -> CodePoints:
    """Normalises the texts."""
    raw = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    points = np.where(raw < BMP, spelling_table()[np.minimum(raw, BMP - 1)], raw)
    # Keep one space of each run of spaces, and none at the beginning of a text.
    space = points == SPACE
    before = np.r_[True, space[:-1] | (owner[1:] != owner[:-1])][: len(points)]
    kept = ~(space & before)
    counts = np.bincount(owner[kept], minlength=len(texts))
    return CodePoints(points[kept], np.r_[0, np.cumsum(counts)])


@functools.cache
def spelling_table() -> np.ndarray:
    """Returns the normalised code point of each code point of the basic plane, ``int64 [65536]``.

    It is the compatibility form (NFKC) in lower case if that is a single character, else the code point itself.
    """
    table = np.arange(BMP)
    for point in range(BMP):
        character = chr(point)
        if 0xD800 <= point < 0xE000:
            continue
        if character.isspace() or unicodedata.category(character) in ("Cc", "Zs"):
            table[point] = SPACE
            continue
        form = unicodedata.normalize("NFKC", character).lower()
        if len(form) == 1:
            table[point] = ord(form)
    return table
