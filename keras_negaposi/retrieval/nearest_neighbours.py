"""Nearest neighbours by cosine among the stored vectors, ``float16`` or ``float32 [vectors, dim]``.

The stored vectors have length 1, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from checkpoints_tools.common.errors import InputError


class Exact:
    """Compares each query with all vectors.

    Among vectors of length 1 the greatest cosine belongs to the smallest Euclidean distance, for which scikit-learn is
    faster. Vectors stored in float16 are normalized again in float32, because rounding has changed their lengths
    slightly, and the order by distance would differ from the order by cosine.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        vectors = normalize(vectors.astype(np.float32))
        self._neighbours = NearestNeighbors(algorithm="brute", metric="euclidean").fit(vectors)

    def nearest(self, queries: np.ndarray, count: int) -> Sequence[np.ndarray]:
        """Returns the rows of the vectors nearest to each query, nearest first: ``int [queries, count]``."""
        return self._neighbours.kneighbors(normalize(queries), count, return_distance=False)


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
