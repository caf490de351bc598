"""TF-IDF vectors of all texts of an index, as an inverted index: for each n-gram the texts that contain it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.sparse_blocks import invert
from keras_negaposi.index_files.checked_files import release
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.ngrams import BUCKETS
from keras_negaposi.lexical.vocabulary import GRAMS, KINDS, PAGES_AT_ONCE, PageFrequencies

STARTS, TEXTS, WEIGHTS = "starts", "texts", "weights"


MOST_POSTINGS = 1 << 21
"""Texts that a query looks at, counted once for each n-gram that it shares with them."""


@dataclasses.dataclass(frozen=True)
class LexicalIndex:
    """Finds the texts whose TF-IDF vectors have the highest cosine with that of a query.

    Among hundreds of thousands of texts it leaves out the query's most common n-grams, which weigh least, so that the
    time of a query is limited: `MOST_POSTINGS`.

    Attributes:
        frequencies: page frequencies of the corpus.
        size: number of texts.
        starts: where the texts of each n-gram start, ``int64 [BUCKETS + 1]``.
        texts: numbers of the texts that contain each n-gram, ``int32 [postings]``.
        weights: of the n-grams in these texts, whose TF-IDF vectors have length 1, ``float16 [postings]``.
    """

    frequencies: PageFrequencies
    size: int
    starts: np.ndarray
    texts: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, frequencies: PageFrequencies, texts: Sequence[str]) -> LexicalIndex:
        """Computes the vectors of texts, `PAGES_AT_ONCE` at a time."""
        rows, stream = [csr_matrix((0, BUCKETS), dtype=np.float32)], iter(texts)
        while some := list(islice(stream, PAGES_AT_ONCE)):
            rows.append(_vectors(frequencies, some))
        return cls(frequencies, len(texts), *invert(rows, np.float16))

    def nearest(self, queries: Sequence[str], count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the nearest texts of each query, the nearest first.

        Texts that share no n-gram with a query are not among them, so there may be fewer than ``count``.

        Yields:
            Their numbers, ``int [found]``, and their cosines with the query, ``float32 [found]``.
        """
        for query in _vectors(self.frequencies, queries):
            cosines = self._cosines(query.indices, query.data)
            found = np.flatnonzero(cosines)
            if len(found) > count:
                found = found[np.argpartition(-cosines[found], count - 1)[:count]]
            found = found[np.argsort(-cosines[found], kind="stable")]
            yield found, cosines[found]

    def _cosines(self, buckets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Returns the cosine of a query with each text, as far as the n-grams that are looked at tell.

        Args:
            buckets: of the query's n-grams.
            weights: of these in the query's vector.
        """
        lengths = self.starts[buckets + 1] - self.starts[buckets]
        rarest = np.argsort(lengths, kind="stable")
        rarest = rarest[np.cumsum(lengths[rarest]) <= MOST_POSTINGS]
        cosines = np.zeros(self.size, np.float32)
        texts, weights_of_texts = np.asarray(self.texts), np.asarray(self.weights)  # slicing a memory map takes longer
        for start, length, weight in zip(
            self.starts[buckets[rarest]].tolist(), lengths[rarest].tolist(), weights[rarest], strict=True
        ):
            postings = slice(start, start + length)
            cosines[texts[postings]] += weight * weights_of_texts[postings]  # An n-gram has each text once.
        for array in (self.texts, self.weights):
            release(array)
        return cosines

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what `from_arrays` takes."""
        return {STARTS: self.starts, TEXTS: self.texts, WEIGHTS: self.weights}

    @classmethod
    def from_arrays(cls, frequencies: PageFrequencies, arrays: dict[str, np.ndarray], texts: int) -> LexicalIndex:
        """Makes an index of arrays that may be memory-mapped.

        Args:
            frequencies: page frequencies of the corpus.
            arrays: of `arrays`.
            texts: number of texts.

        Raises:
            InputError: they are not the inverted index of so many texts.
        """
        starts, numbers, weights = (arrays.get(name, np.zeros(0)) for name in (STARTS, TEXTS, WEIGHTS))
        if (
            (starts.dtype, numbers.dtype, weights.dtype) != (np.int64, np.int32, np.float16)
            or starts.shape != (BUCKETS + 1,)
            or numbers.shape != weights.shape
            or starts[0] != 0
            or starts[-1] != len(numbers)
            or (np.diff(starts) < 0).any()
            or not 0 <= numbers.min(initial=0) <= numbers.max(initial=-1) < max(texts, 1)
        ):
            raise InputError(f"not the n-grams of {texts:,} texts")
        return cls(frequencies, texts, starts, numbers, weights)


def _vectors(frequencies: PageFrequencies, texts: Sequence[str]) -> csr_matrix:
    """Returns the TF-IDF vectors of texts, ``float32 [texts, BUCKETS]``."""
    return frequencies.tfidf(GRAMS, KINDS[GRAMS](code_points(texts)))
