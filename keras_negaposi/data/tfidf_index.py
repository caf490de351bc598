"""An index of texts that finds the most similar ones without comparing all pairs.

The time grows with the number of queries. `tfidf.top_neighbours` is exact and simpler, but its time grows with queries
times texts: fine for a test part, hours for a corpus that is compared with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.tfidf import (
    HASHED_FROM,
    all_cosines,
    by_cosine,
    inverted,
    page_counts,
    row_blocks,
    sampled,
    tfidf_rows,
)

CANDIDATES = 100
"""Number of texts whose exact cosine with a query is computed."""
_ROWS = 256
_MEASURED, _NEAREST = 50, 10
"""Texts for which a large index measures how many of so many nearest ones it finds."""


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
        self._matrix = tfidf_rows(counting.watch(texts), total).astype(np.float32, copy=False)
        self._query = np.zeros(self._matrix.shape[1], np.float32)
        counts, rng = page_counts(row_blocks(self._matrix)), np.random.default_rng(0)
        self._postings = inverted([sampled(block, counts, rng) for block in row_blocks(self._matrix)])
        if total >= HASHED_FROM:
            say(f"an index of {total:,} texts finds {self._recall():.0%} of the {_NEAREST} most similar ones")

    def _recall(self) -> float:
        """Compares some texts with all, and returns the share of the nearest ones that `nearest` finds."""
        rows = np.random.default_rng(0).permutation(self._matrix.shape[0])[:_MEASURED]
        cosines = np.concatenate(list(all_cosines(self._matrix[rows], self._matrix)))
        cosines[rows, np.arange(len(rows))] = 0
        least = np.partition(cosines, -_NEAREST, axis=0)[-_NEAREST] - 1e-6
        found = [of_text[:_NEAREST] for _, of_text in self.nearest(rows, "measuring the index")]
        return float(np.mean([(of_text >= low).sum() / _NEAREST for of_text, low in zip(found, least, strict=True)]))

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
