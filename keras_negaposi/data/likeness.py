"""The texts most like a text, found in time that grows with the texts asked about, not with all pairs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.tfidf import NGrams

CANDIDATES = 100
"""So many texts are compared with a text exactly."""
POSTINGS = 64
"""An n-gram that more texts have proposes a random sample of them, of about this size."""
_ROWS = 256


class Likeness:
    """Finds the texts most like others by the cosine of their n-grams' TF-IDF.

    An inverted index proposes `CANDIDATES` of them, and their exact cosines decide. Of a common n-gram's texts the
    index keeps a sample only, so that a text costs no more than its n-grams times `POSTINGS`.
    """

    def __init__(self, texts: Iterable[str], total: int) -> None:
        """Reads the texts.

        Args:
            texts: each once.
            total: how many there are.
        """
        counting = Ticker("reading the texts' letters", total)
        self._matrix = NGrams().fit_transform(counting.watch(texts)).astype(np.float32)
        shape = self._matrix.shape
        self._query = np.zeros(shape[1], np.float32)
        have = np.bincount(self._matrix.indices, minlength=shape[1])
        kept = np.random.default_rng(0).random(self._matrix.nnz) * have[self._matrix.indices] < POSTINGS
        row = np.repeat(np.arange(shape[0]), np.diff(self._matrix.indptr))[kept]
        self._postings = csr_matrix((self._matrix.data[kept], (self._matrix.indices[kept], row)), shape[::-1])

    def nearest(self, rows: np.ndarray, what: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each of some texts the others most like it, and their cosines, the highest first.

        Texts that share no n-gram with it are left out.

        Args:
            rows: numbers of the texts.
            what: is done, for the user.
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
        others, estimates = others[others != row], estimates[others != row]
        if len(others) > CANDIDATES:
            others = others[np.argpartition(-estimates, CANDIDATES)[:CANDIDATES]]
        others = np.sort(others)  # equal cosines keep the texts' order
        own = slice(*self._matrix.indptr[row : row + 2])
        columns = self._matrix.indices[own]
        self._query[columns] = self._matrix.data[own]
        cosines = self._matrix[others] @ self._query
        self._query[columns] = 0
        order = np.argsort(-cosines, kind="stable")
        return others[order], cosines[order]
