"""Nearest vectors, ``float32 [vectors, dim]`` of length 1: exactly, or approximately."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from checkpoints_tools.common.errors import InputError


class Exact:
    """All vectors are compared (scikit-learn).

    Of vectors of length 1 the nearest have the greatest cosine, and scikit-learn is quicker at distances.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        vectors = normalize(vectors.astype(np.float32))
        self._neighbours = NearestNeighbors(algorithm="brute", metric="euclidean").fit(vectors)

    def nearest(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Rows of the nearest vectors of each query, the nearest first."""
        return self._neighbours.kneighbors(normalize(queries), count, return_distance=False)


class Hnsw:
    """A graph of neighbours is walked (faiss; Malkov & Yashunin 2016, arXiv 1603.09320)."""

    LINKS = 32
    LEAST_SEARCH = 128

    def __init__(self, vectors: np.ndarray) -> None:
        try:
            import faiss
        except ImportError:
            raise InputError("--approximate: needs faiss; pip install 'keras_negaposi[ann]'") from None
        self._index = faiss.IndexHNSWFlat(vectors.shape[1], self.LINKS, faiss.METRIC_INNER_PRODUCT)
        self._index.add(vectors.astype(np.float32))

    def nearest(self, queries: np.ndarray, count: int) -> list[np.ndarray]:
        """Rows of the nearest vectors found of each query, the nearest first."""
        self._index.hnsw.efSearch = max(self.LEAST_SEARCH, 2 * count)
        found = self._index.search(queries.astype(np.float32), count)[1]
        return [rows[rows >= 0] for rows in found]
