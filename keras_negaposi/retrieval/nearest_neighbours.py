"""Nearest neighbours by cosine among the stored vectors, ``float16`` or ``float32 [vectors, dim]``.

The stored vectors have length 1, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from checkpoints_tools.common.errors import InputError

_TINY = np.finfo(np.float32).tiny


class Exact:
    """Compares each query with all vectors.

    Vectors stored in float16 are normalized again in float32, because rounding has changed their lengths slightly.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        self._vectors = _unit(vectors)

    def nearest(self, queries: np.ndarray, count: int) -> Sequence[np.ndarray]:
        """Returns the rows of the vectors nearest to each query, nearest first: ``int [count]`` per query."""
        return [_largest(cosines, count) for cosines in _unit(queries) @ self._vectors.T]


class Hnsw:
    """Searches faiss's HNSW graph: faster than `Exact` among many vectors, but may miss some of the nearest.

    HNSW (hierarchical navigable small world) links each vector to near ones; a search follows the links towards the
    query (Malkov & Yashunin 2016, arXiv 1603.09320).
    """

    LINKS = 32
    """Links per vector, M in the paper; more make the search more exact and the graph larger."""
    LEAST_CANDIDATES = 128
    """Least number of candidates kept during a search, ef in the paper; more make it more exact and slower."""

    def __init__(self, vectors: np.ndarray) -> None:
        try:
            import faiss
        except ImportError:
            raise InputError("--approximate: needs faiss; pip install 'keras_negaposi[ann]'") from None
        self._index = faiss.IndexHNSWFlat(vectors.shape[1], self.LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.add(vectors.astype(np.float32))

    def nearest(self, queries: np.ndarray, count: int) -> Sequence[np.ndarray]:
        """Returns the rows of up to ``count`` near vectors of each query, nearest first."""
        self._index.hnsw.efSearch = max(self.LEAST_CANDIDATES, 2 * count)
        rows = self._index.search(queries.astype(np.float32), count)[1]
        return [of_query[of_query >= 0] for of_query in rows]  # faiss fills up with -1.


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors of length 1, ``float32 [vectors, dim]``."""
    vectors = vectors.astype(np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), _TINY)


def _largest(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the positions of the ``count`` largest of some values, ``float [values]``, the largest first."""
    best = np.argpartition(-values, count - 1)[:count]
    return best[np.argsort(-values[best], kind="stable")]
