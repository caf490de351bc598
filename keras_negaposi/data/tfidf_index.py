"""An index of texts that finds the most similar ones without comparing all pairs.

The time grows with the number of queries. `tfidf.top_neighbours` is exact and simpler, but its time grows with queries
times texts: fine for a test part, hours for a corpus that is compared with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.tfidf import NGrams, by_cosine

CANDIDATES = 100
"""Number of texts whose exact cosine with a query is computed."""
POSTINGS = 64
"""Approximate size of the random sample of texts that the index keeps for a common n-gram."""
_ROWS = 256


class TfidfIndex:
    """Finds the texts with the highest cosine of TF-IDF n-grams.

    An inverted index proposes `CANDIDATES` of them, which are sorted by their exact cosines. For a common n-gram, the
    index keeps a sample of its texts only, so that a query costs no more than its n-grams times `POSTINGS`.
    """

    def __init__(self, texts: Iterable[str], total: int) -> None:
        """Builds the index.

        Args:
            texts: each text once.
            total: number of texts, for the progress line.
        """
        counting = Ticker("computing TF-IDF of the texts", total)
        self._matrix = NGrams().fit_transform(counting.watch(texts)).astype(np.float32)
        shape = self._matrix.shape
        self._query = np.zeros(shape[1], np.float32)
        frequency = np.bincount(self._matrix.indices, minlength=shape[1])
        kept = np.random.default_rng(0).random(self._matrix.nnz) * frequency[self._matrix.indices] < POSTINGS
        row = np.repeat(np.arange(shape[0]), np.diff(self._matrix.indptr))[kept]
        self._postings = csr_matrix((self._matrix.data[kept], (self._matrix.indices[kept], row)), shape[::-1])

    def nearest(self, rows: np.ndarray, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Finds the most similar other texts for some of the texts.

        Args:
            rows: numbers of the texts to find neighbours for.
            what: what is being done, for the progress line.

        Yields:
            For each of ``rows`` the numbers of texts that share an n-gram with it, and their cosines, as `by_cosine`.
        """
        progress = Ticker(what, len(rows))
        for start in range(0, len(rows), _ROWS):
            block = rows[start : start + _ROWS]
            proposed = self._matrix[block] @ self._postings
            for position, row in enumerate(block):
                here = slice(*proposed.indptr[position : position + 2])
                yield self._compare(row, proposed.indices[here], proposed.data[here])
                progress(start + position + 1)

    def _compare(self, row: int, others: np.ndarray, estimates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes the exact cosines of the best proposals.

        Args:
            row: number of the text.
            others: texts that the index proposes.
            estimates: their cosines, as far as the sampled n-grams tell.
        """
        others, estimates = others[others != row], estimates[others != row]
        if len(others) > CANDIDATES:
            others = others[np.argpartition(-estimates, CANDIDATES)[:CANDIDATES]]
        others = np.sort(others)  # so that equal cosines keep the order of the texts
        own = slice(*self._matrix.indptr[row : row + 2])
        columns = self._matrix.indices[own]
        self._query[columns] = self._matrix.data[own]
        cosines = self._matrix[others] @ self._query
        self._query[columns] = 0
        return by_cosine(others, cosines)
