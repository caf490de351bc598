"""The kinds of terms by which texts are compared, and the page frequencies of these terms in a corpus."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix

from keras_negaposi.lexical.code_points import CodePoints, code_points
from keras_negaposi.lexical.ngrams import BUCKETS, Terms, ngrams, runs

PAGES_AT_ONCE = 4096
KANJI, KATAKANA, LATIN, HIRAGANA = 1, 2, 3, 4
SCRIPT_RANGES = (
    *((0x4E00, 0x9FFF, KANJI), (0x3400, 0x4DBF, KANJI), (0x3005, 0x3005, KANJI)),
    *((0x30A1, 0x30FA, KATAKANA), (0x30FC, 0x30FF, KATAKANA), (0x3041, 0x309F, HIRAGANA)),
    *((ord("a"), ord("z"), LATIN), (ord("0"), ord("9"), LATIN)),
)


def scripts_of(texts: CodePoints) -> np.ndarray:
    """Returns the script of each character, ``int64 [characters]``; 0 for punctuation and others."""
    scripts = np.zeros(len(texts.points), np.int64)
    for first, last, script in SCRIPT_RANGES:
        scripts[(texts.points >= first) & (texts.points <= last)] = script
    return scripts


SHORTEST_RUNS = (0, 1, 2, 1, 2)
"""By script, the length in characters of the shortest run that counts as a word."""


@dataclasses.dataclass(frozen=True)
class TermKind:
    """A kind of term: character n-grams, or words (runs of one script).

    Attributes:
        sizes: lengths of the n-grams in characters; empty for words.
        scripts: scripts of the words, or the only script whose characters n-grams may hold.
    """

    sizes: tuple[int, ...] = ()
    scripts: tuple[int, ...] = ()

    def __call__(self, texts: CodePoints) -> Terms:
        """Extracts the terms of this kind from normalised texts."""
        if not self.scripts:
            return ngrams(texts, self.sizes)
        scripts = scripts_of(texts)
        member = np.isin(scripts, self.scripts)
        if self.sizes:
            return ngrams(texts, self.sizes, member)
        return runs(texts, np.where(member, scripts, 0), SHORTEST_RUNS)


GRAMS, WORDS = "2-3-grams", "words"
"""The kinds of terms by which pages are compared and found."""
KINDS = {
    GRAMS: TermKind(sizes=(2, 3)),
    "2-4-grams": TermKind(sizes=(2, 3, 4)),
    WORDS: TermKind(scripts=(KANJI, KATAKANA, LATIN)),
    "kanji words": TermKind(scripts=(KANJI,)),
    "katakana words": TermKind(scripts=(KATAKANA,)),
    "Latin words": TermKind(scripts=(LATIN,)),
    "hiragana runs": TermKind(scripts=(HIRAGANA,)),
    "kanji": TermKind(sizes=(1,), scripts=(KANJI,)),
}


@dataclasses.dataclass(frozen=True)
class PageFrequencies:
    """The number of pages of a corpus that contain each term.

    Attributes:
        pages: number of pages in the corpus.
        counts: number of pages that contain each bucket, by kind of term, ``float32 [BUCKETS]``.
    """

    pages: int
    counts: dict[str, np.ndarray]

    @classmethod
    def of(cls, texts: Iterable[str]) -> PageFrequencies:
        """Counts the terms of texts in blocks of `PAGES_AT_ONCE`."""
        pages = 0
        counts = {kind: np.zeros(BUCKETS, np.float32) for kind in KINDS}
        stream = iter(texts)
        while some := list(islice(stream, PAGES_AT_ONCE)):
            pages += len(some)
            points = code_points(some)
            for kind, terms in KINDS.items():
                counts[kind] += np.bincount(terms(points).counts().indices, minlength=BUCKETS)
        return cls(pages, counts)

    def changed(self, removed: Iterable[str], added: Iterable[str]) -> PageFrequencies:
        """Returns the frequencies of the corpus without some texts and with others; exact, since these are counts."""
        old, new = PageFrequencies.of(removed), PageFrequencies.of(added)
        counts = {kind: count - old.counts[kind] + new.counts[kind] for kind, count in self.counts.items()}
        return PageFrequencies(self.pages - old.pages + new.pages, counts)

    def tfidf(self, kind: str, terms: Terms) -> csr_matrix:
        """Returns TF-IDF vectors of length 1, ``float32 [texts, BUCKETS]``.

        Term frequency is sublinear and inverse document frequency smoothed, as in scikit-learn's ``TfidfVectorizer``.
        """
        found = terms.counts()
        idf = np.log((1 + self.pages) / (1 + self.counts[kind][found.indices])) + 1
        found.data = ((1 + np.log(found.data)) * idf).astype(np.float32)
        lengths = np.sqrt(np.asarray(found.multiply(found).sum(axis=1)).ravel())
        factors = (1 / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
        found.data *= np.repeat(factors, np.diff(found.indptr))
        return found

    def rarity(self, kind: str, buckets: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Returns log inverse document frequency of all or some buckets, ``float32``; 0 for fewer than two pages."""
        counts = self.counts[kind][buckets]
        return np.where(counts < 2, 0.0, np.log(self.pages / np.maximum(counts, 1))).astype(np.float32)
