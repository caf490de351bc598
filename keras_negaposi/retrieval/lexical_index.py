"""TF-IDF vectors of all texts of an index, as an inverted index: for each n-gram the texts that contain it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from scipy.sparse import csr_matrix, vstack

from checkpoints_tools.common.errors import InputError
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.ngrams import BUCKETS
from keras_negaposi.lexical.vocabulary import GRAMS, KINDS, PAGES_AT_ONCE, PageFrequencies

STARTS, TEXTS, WEIGHTS = "starts", "texts", "weights"


@dataclasses.dataclass(frozen=True)
class LexicalIndex:
    """Finds the texts whose TF-IDF vectors have the highest cosine with that of a query.

    Attributes:
        frequencies: page frequencies of the corpus.
        postings: TF-IDF vectors of length 1, one column per text, ``float32 [BUCKETS, texts]``.
    """

    frequencies: PageFrequencies
    postings: csr_matrix

    @classmethod
    def of(cls, frequencies: PageFrequencies, texts: Sequence[str]) -> LexicalIndex:
        """Computes the vectors of texts, `PAGES_AT_ONCE` at a time."""
        rows, stream = [csr_matrix((0, BUCKETS), dtype=np.float32)], iter(texts)
        while some := list(islice(stream, PAGES_AT_ONCE)):
            rows.append(_vectors(frequencies, some))
        return cls(frequencies, vstack(rows).T.tocsr())

    def nearest(self, queries: Sequence[str], count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields the nearest texts of each query, the nearest first.

        Texts that share no n-gram with a query are not among them, so there may be fewer than ``count``.

        Yields:
            Their numbers, ``int [found]``, and their cosines with the query, ``float32 [found]``.
        """
        for query in _vectors(self.frequencies, queries):
            cosines = query @ self.postings
            best = np.arange(cosines.nnz)
            if cosines.nnz > count:
                best = np.argpartition(-cosines.data, count - 1)[:count]
            best = best[np.argsort(-cosines.data[best], kind="stable")]
            yield cosines.indices[best], cosines.data[best]

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns what `from_arrays` takes; cosines are kept in float16."""
        return {
            STARTS: self.postings.indptr.astype(np.int64),
            TEXTS: self.postings.indices.astype(np.int32),
            WEIGHTS: self.postings.data.astype(np.float16),
        }

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
        values = weights.astype(np.float32)
        return cls(frequencies, csr_matrix((values, numbers, starts), (BUCKETS, texts), copy=False))


def _vectors(frequencies: PageFrequencies, texts: Sequence[str]) -> csr_matrix:
    """Returns the TF-IDF vectors of texts, ``float32 [texts, BUCKETS]``."""
    return frequencies.tfidf(GRAMS, KINDS[GRAMS](code_points(texts)))
