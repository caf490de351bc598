"""Finds the vectors of an index with the highest cosines with a query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from checkpoints_tools.common.errors import InputError
from keras_negaposi.index_files.vectors import Vectors, unit

EXACT_BELOW = 200_000
"""Fewer vectors are all compared with each query, and are kept in memory for that: 300 MB if they have 384 numbers."""

Near = tuple[np.ndarray, np.ndarray]
"""Rows of `Vectors`, nearest first, ``int64 [found]``; and their cosines with the query, ``float32 [found]``."""


class VectorSearch(Protocol):
    """Searches the vectors of an index."""

    def nearest(self, queries: np.ndarray, count: int) -> Sequence[Near]:
        """Returns up to ``count`` near rows for each query, ``float [queries, dim]``."""


class Exact:
    """Compares each query with all vectors.

    Args:
        vectors: of the index.
        rows: to compare, ``int [rows]``.
    """

    def __init__(self, vectors: Vectors, rows: np.ndarray) -> None:
        self._vectors, self._rows = vectors, rows
        self._kept = [unit(block) for block in vectors.blocks(rows)] if len(rows) < EXACT_BELOW else None

    def nearest(self, queries: np.ndarray, count: int) -> list[Near]:
        """Returns the ``count`` nearest rows for each query."""
        queries, start = unit(queries), 0
        best: list[Near] = [(np.zeros(0, np.int64), np.zeros(0, np.float32))] * len(queries)
        for block in self._kept or map(unit, self._vectors.blocks(self._rows)):
            rows, start = self._rows[start : start + len(block)], start + len(block)
            each = zip(best, queries @ block.T, strict=True)
            best = [nearer([before, (rows, cosines)], count) for before, cosines in each]
        return best


class Hnsw:
    """Searches faiss's HNSW graph, in memory: faster than `Exact`, but may miss some of the nearest.

    HNSW (hierarchical navigable small world) links each vector to near ones; a search follows the links towards the
    query (Malkov & Yashunin 2016, arXiv 1603.09320).
    """

    LINKS = 32
    """Links per vector, M in the paper; more make the search more exact and the graph larger."""
    LEAST_CANDIDATES = 128
    """Least number of candidates kept during a search, ef in the paper; more make it more exact and slower."""

    def __init__(self, vectors: Vectors) -> None:
        try:
            import faiss
        except ImportError:
            raise InputError("--approximate: needs faiss; pip install 'keras_negaposi[ann]'") from None
        self._rows = np.flatnonzero(vectors.used)
        self._index = faiss.IndexHNSWFlat(vectors.dim, self.LINKS, faiss.METRIC_INNER_PRODUCT)
        for block in vectors.blocks(self._rows):
            self._index.add(unit(block))

    def nearest(self, queries: np.ndarray, count: int) -> list[Near]:
        """Returns up to ``count`` near rows for each query."""
        self._index.hnsw.efSearch = max(self.LEAST_CANDIDATES, 2 * count)
        cosines, numbers = self._index.search(unit(queries), count)
        found = numbers >= 0  # faiss fills up with -1.
        return [(self._rows[n[f]], c[f]) for n, c, f in zip(numbers, cosines, found, strict=True)]


def nearer(found: Sequence[Near], count: int) -> Near:
    """Returns the ``count`` nearest of several results for one query."""
    rows, cosines = (np.concatenate(column) for column in zip(*found, strict=True))
    best = np.arange(len(rows))
    if len(rows) > count:
        best = np.argpartition(-cosines, count - 1)[:count]
    best = best[np.argsort(-cosines[best], kind="stable")]
    return rows[best], cosines[best]
