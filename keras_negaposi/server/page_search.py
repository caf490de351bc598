"""Finds pages by words, whatever their case, width and kana script."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

KATAKANA_TO_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}


class PageSearch:
    """The pages of an index, ready to be searched.

    Args:
        pages: title -> text.
    """

    def __init__(self, pages: Mapping[str, str]) -> None:
        self._titles = {title: folded(title) for title in pages}
        self._texts = {title: folded(text) for title, text in pages.items()}

    def find(self, words: str) -> list[str]:
        """Returns the titles of the pages that contain all words, those with the words in their titles first."""
        wanted = folded(words).split()
        titled = [title for title, name in self._titles.items() if all(word in name for word in wanted)]
        seen = set(titled)
        others = [
            title
            for title, text in self._texts.items()
            if title not in seen and all(word in text or word in self._titles[title] for word in wanted)
        ]
        return titled + others


def folded(text: str) -> str:
    """Returns a text without differences of case, width and kana script."""
    return unicodedata.normalize("NFKC", text).casefold().translate(KATAKANA_TO_HIRAGANA)
