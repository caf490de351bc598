"""TF-IDF of character n-grams, and the texts that are most similar by it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

from checkpoints_tools.common.errors import InputError

ROWS = 500
"""Queries that are compared at once; limits the memory for their cosines."""
_ROUNDING = 1e-9
"""Far more than the rounding errors of a sum of squares."""


class NGrams:
    """TF-IDF of character n-grams, bigrams and trigrams by default, which need no word segmentation of Japanese.

    Rows have length 1. A text without any known n-gram has a row of zeros; where no fitted text is long enough for an
    n-gram, all texts have.
    """

    def __init__(self, sizes: tuple[int, int] = (2, 3)) -> None:
        """Prepares the vectorizer.

        Args:
            sizes: length of the shortest and of the longest n-grams, in characters.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer  # slow to import

        self._vectorizer = TfidfVectorizer(analyzer="char", ngram_range=sizes, sublinear_tf=True)
        self._any = True

    def fit_transform(self, texts: Iterable[str]) -> csr_matrix:
        """Learns the n-grams and their weights from the texts; returns their rows, ``float64 [texts, n-grams]``."""
        count = itertools.count()
        try:
            return self._vectorizer.fit_transform(text for text, _ in zip(texts, count, strict=False))
        except ValueError as error:
            if isinstance(error, InputError) or "empty vocabulary" not in str(error):
                raise
            self._any = False
            return csr_matrix((next(count), 1))

    def transform(self, texts: list[str]) -> csr_matrix:
        """Returns the rows of other texts, ``float64 [texts, n-grams]``."""
        return self._vectorizer.transform(texts) if self._any else csr_matrix((len(texts), 1))


def top_neighbours(queries: csr_matrix, texts: csr_matrix) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Compares each query with every text, exactly; `tfidf_index.TfidfIndex` is for corpora where that takes too long.

    Args:
        queries: rows of `NGrams`.
        texts: rows of the same `NGrams`.

    Yields:
        For each query the numbers of the texts that share an n-gram with it, and their cosines, as `by_cosine`.
    """
    columns = texts.T.tocsr()
    for start in range(0, queries.shape[0], ROWS):
        product = queries[start : start + ROWS] @ columns
        product.sort_indices()
        for first, end in itertools.pairwise(product.indptr):
            yield by_cosine(product.indices[first:end], product.data[first:end])


def have_close_text(queries: csr_matrix, texts: csr_matrix, least: float) -> np.ndarray:
    """Finds the queries that have a cosine of at least ``least`` with any text, exactly, without comparing all pairs.

    Only the rarest n-grams of each row are looked up: so many that the weights of the others have a length below
    ``least``. Rows that share none of these have a cosine below it (prefix filtering, Bayardo et al. 2007).

    Args:
        queries: rows of `NGrams`.
        texts: rows of the same `NGrams`.
        least: above 0.

    Returns:
        ``bool [queries]``.
    """
    frequencies = np.bincount(texts.indices, minlength=texts.shape[1])
    looked_up = _rarest(queries, frequencies, least)
    columns = _rarest(texts, frequencies, least).T.tocsr()
    dense = np.zeros(texts.shape[1])
    close = np.zeros(queries.shape[0], bool)
    for start in range(0, len(close), ROWS):
        shared = looked_up[start : start + ROWS] @ columns
        for query, (first, end) in enumerate(itertools.pairwise(shared.indptr), start):
            own = slice(*queries.indptr[query : query + 2])
            dense[queries.indices[own]] = queries.data[own]
            close[query] = (texts[shared.indices[first:end]] @ dense >= least).any()
            dense[queries.indices[own]] = 0
    return close


def _rarest(rows: csr_matrix, frequencies: np.ndarray, least: float) -> csr_matrix:
    """Leaves out the most common n-grams of each row, as long as their weights have a length below ``least``."""
    owners = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    commonest_first = np.lexsort((rows.indices, -frequencies[rows.indices], owners))
    squares = np.concatenate([[0.0], np.cumsum(rows.data[commonest_first] ** 2)])
    left_out = squares[1:] - squares[rows.indptr[owners]] < least**2 - _ROUNDING
    kept = np.sort(commonest_first[~left_out])
    return csr_matrix((rows.data[kept], (owners[kept], rows.indices[kept])), rows.shape)


def by_cosine(numbers: np.ndarray, cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorts texts by cosine, the highest first; texts with equal cosines keep their order."""
    order = np.argsort(-cosines, kind="stable")
    return numbers[order], cosines[order]
