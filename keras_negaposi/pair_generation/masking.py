"""Masks, in the text of A, the names of the page that A links to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from keras_negaposi.data.adjacency import MASK
from keras_negaposi.readers.document import Link

SHORTEST_NAME = 2
"""Shorter names, in characters, are masked only in the link itself."""

_WRITTEN_TOGETHER = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_TOGETHER = re.compile(rf"[{_WRITTEN_TOGETHER}\U00020000-\U0003ffff]")
_KATAKANA = re.compile(r"[ァ-ヺー-ヿ]")
_HIRAGANA = re.compile(r"[ぁ-ゖゝゞ]")
_KANJI = re.compile(r"[々〆\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_JOINS = re.compile(r"[\u1160-\u11ff]")
_SPACES = re.compile(r"[\s_]+")


def mask_links(text: str, hidden: Sequence[Link], names: Iterable[str]) -> str:
    """Replaces the links by `MASK`, and all other occurrences of the names in any width, case and Unicode form.

    A name within a longer word stays: `_is_whole` determines the word boundaries.
    """
    text = _masked(text, ((link.start, link.end) for link in hidden))
    folded = _Folded(text)
    return _masked(text, (folded.original(*span) for name in names for span in _occurrences(folded, name)))


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Replaces every span by `MASK`; overlapping spans get one mask."""
    parts, done = [], 0
    for start, end in sorted(spans):
        if end <= done:
            continue
        if start >= done:
            parts += [text[done:start], MASK]
        done = end
    return "".join([*parts, text[done:]])


class _Folded:
    """A text normalised for comparison with names, with the original position of each character.

    Attributes:
        text: in NFKC, case-folded.
        kinds: kind of each character: ``w`` letter or digit of a script with spaces, ``k`` katakana, ``h`` hiragana,
            ``c`` kanji, ``-`` other.
        kanji: number of consecutive kanji before each character, not counting the unit of a number (年 in 2020年).
    """

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._spans: list[tuple[int, int]] = []
        kinds: list[str] = []
        for start, end in _characters(text):
            part = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[start:end]).casefold())
            parts.append(part)
            self._spans += [(start, end)] * len(part)
            kinds += [_kind(part[:1])] * len(part)
        self.text = "".join(parts)
        self.kinds = "".join(kinds)
        self.kanji, number = [0], False
        for character, kind in zip(self.text, self.kinds, strict=True):
            self.kanji.append(self.kanji[-1] + 1 if kind == "c" and not number else 0)
            number = character.isdigit()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Returns the span of the original text that contains a span of this one."""
        return self._spans[start][0], self._spans[end - 1][1]


def _characters(text: str) -> Iterator[tuple[int, int]]:
    """Yields the spans of the characters that a reader sees: each with its combining marks."""
    start = 0
    for position in range(1, len(text) + 1):
        if position == len(text) or not _belongs(text[position]):
            yield start, position
            start = position


def _belongs(character: str) -> bool:
    """Returns whether a character combines with the one before it."""
    if character.isascii():
        return False
    first = unicodedata.normalize("NFKC", character)[:1]
    return unicodedata.category(first).startswith("M") or bool(_JOINS.match(first))


def _kind(character: str) -> str:
    """Returns the kind of a character, as in `_Folded.kinds`."""
    for kind, pattern in (("k", _KATAKANA), ("h", _HIRAGANA), ("c", _KANJI)):
        if pattern.match(character):
            return kind
    return "w" if character.isalnum() and not _TOGETHER.match(character) else "-"


def _occurrences(text: _Folded, name: str) -> Iterator[tuple[int, int]]:
    """Yields the spans where a name is a whole word."""
    words = _SPACES.split(_Folded(name).text.strip(" _"))
    if sum(map(len, words)) < SHORTEST_NAME:
        return
    pattern = re.compile(f"(?=({'[ _]+'.join(map(re.escape, words))}))")
    for match in pattern.finditer(text.text):
        if _is_whole(text, *match.span(1)):
            yield match.span(1)


def _is_whole(text: _Folded, start: int, end: int) -> bool:
    """Returns whether a span consists of one or more whole words.

    A word of letters and digits ends where they end, and a katakana word where katakana ends. Two hiragana are a word
    only without hiragana next to them. Kanji words are written without spaces and usually have two characters:
    therefore a span of kanji must begin after an even number of kanji, and may end anywhere (庭園 in 日本庭園 and
    庭園史, but not 京都 in 東京都).
    """
    kinds = text.kinds
    before, first, last, after = kinds[max(start - 1, 0) : start], kinds[start], kinds[end - 1], kinds[end : end + 1]
    if (first in "wk" and before == first) or (last in "wk" and after == last):
        return False
    if first == last == "h" and end - start <= 2 and "h" in (before, after):
        return False
    return first != "c" or text.kanji[start] % 2 == 0
