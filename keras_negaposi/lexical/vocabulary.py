"""The kinds of terms that texts are compared by, and in how many pages of a corpus each term occurs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix, diags

from keras_negaposi.lexical.code_points import CodePoints, code_points
from keras_negaposi.lexical.ngrams import BUCKETS, Terms, ngrams, runs

PAGES_AT_ONCE = 4096
KANJI, KATAKANA, LATIN, HIRAGANA = 1, 2, 3, 4
_RANGES = (
    *((0x4E00, 0x9FFF, KANJI), (0x3400, 0x4DBF, KANJI), (0x3005, 0x3005, KANJI)),
    *((0x30A1, 0x30FA, KATAKANA), (0x30FC, 0x30FF, KATAKANA), (0x3041, 0x309F, HIRAGANA)),
    *((ord("a"), ord("z"), LATIN), (ord("0"), ord("9"), LATIN)),
)


def scripts_of(texts: CodePoints) -> np.ndarray:
    """The script of each character, ``int64 [characters]``; 0 for punctuation and others."""
    scripts = np.zeros(len(texts.points), np.int64)
    for first, last, script in _RANGES:
        scripts[(texts.points >= first) & (texts.points <= last)] = script
    return scripts


def _words(texts: CodePoints, *kinds: int) -> Terms:
    scripts = scripts_of(texts)
    return runs(texts, np.where(np.isin(scripts, kinds), scripts, 0), (0, 1, 2, 1, 2))


KINDS: dict[str, Callable[[CodePoints], Terms]] = {
    "2-3-grams": lambda texts: ngrams(texts, (2, 3)),
    "2-4-grams": lambda texts: ngrams(texts, (2, 3, 4)),
    "words": lambda texts: _words(texts, KANJI, KATAKANA, LATIN),
    "kanji words": lambda texts: _words(texts, KANJI),
    "katakana words": lambda texts: _words(texts, KATAKANA),
    "Latin words": lambda texts: _words(texts, LATIN),
    "hiragana runs": lambda texts: _words(texts, HIRAGANA),
    "kanji": lambda texts: ngrams(texts, (1,), scripts_of(texts) == KANJI),
}
"""Name -> the terms of some texts."""


@dataclasses.dataclass(frozen=True)
class PageFrequencies:
    """In how many pages of a corpus each term occurs.

    Attributes:
        pages: how many pages were counted.
        counts: by kind of term, ``float32 [BUCKETS]``.
    """

    pages: int
    counts: dict[str, np.ndarray]

    @classmethod
    def of(cls, texts: Iterable[str]) -> PageFrequencies:
        """Counts the terms of texts, a part of them at a time."""
        pages = 0
        counts = {kind: np.zeros(BUCKETS, np.float32) for kind in KINDS}
        stream = iter(texts)
        while some := list(islice(stream, PAGES_AT_ONCE)):
            pages += len(some)
            points = code_points(some)
            for kind, terms in KINDS.items():
                counts[kind] += np.bincount(terms(points).counts().indices, minlength=BUCKETS)
        return cls(pages, counts)

    def tfidf(self, kind: str, terms: Terms) -> csr_matrix:
        """TF-IDF vectors of length 1, ``float32 [texts, BUCKETS]``.

        Sublinear term frequency and smoothed inverse document frequency, as scikit-learn's ``TfidfVectorizer``.
        """
        found = terms.counts()
        idf = np.log((1 + self.pages) / (1 + self.counts[kind][found.indices])) + 1
        found.data = ((1 + np.log(found.data)) * idf).astype(np.float32)
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
        return csr_matrix(diags(1 / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32) @ found)

    def rarity(self, kind: str) -> np.ndarray:
        """Logarithm of the inverse document frequency, ``float32 [BUCKETS]``; 0 for terms of a single page or none."""
        counts = self.counts[kind]
        return np.where(counts < 2, 0.0, np.log(self.pages / np.maximum(counts, 1))).astype(np.float32)
