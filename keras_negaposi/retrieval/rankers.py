"""Ranks the texts of an index for encoded queries: by scoring all of them, or by nearest-neighbour search."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import numpy as np

from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.nearest_neighbours import Exact, Hnsw
from keras_negaposi.retrieval.segment import Rows
from keras_negaposi.retrieval.store import Store

CHUNK = 256
"""Stored texts that are scored at once; the hidden states of so many take some tens of megabytes."""

Ranked = list[tuple[str, float]]
"""Keys of texts and the probability that each comes next, the best first."""


class Ranker(Protocol):
    """Ranks the texts of an index."""

    def best(self, queries: Sequence[Rows], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query (A's side, one row each)."""


class FullRanker:
    """Scores every text with the model.

    Args:
        scorer: the model.
        store: the index.
        keys: of the texts to rank; the index may contain others, which are no longer in use.
    """

    def __init__(self, scorer: CachedScorer, store: Store, keys: Collection[str]) -> None:
        self._scorer, self._store, self._keys = scorer, store, keys

    def best(self, queries: Sequence[Rows], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query (A's side, one row each)."""
        for a in queries:
            scores = score_texts(self._scorer, self._store, a)
            yield sorted(((key, scores[key]) for key in self._keys), key=lambda item: -item[1])[:count]


class NearestNeighbourRanker:
    """Finds the nearest vectors and scores only their texts; exact for the bi-encoder, which ranks by cosine.

    Args:
        scorer: the model.
        store: the index.
        keys: of the texts to rank; the index may contain others, which are no longer in use.
        approximate: searches an HNSW graph instead of comparing all vectors.

    Raises:
        InputError: faiss, which ``approximate`` needs, is not installed.
    """

    def __init__(self, scorer: CachedScorer, store: Store, keys: Collection[str], approximate: bool) -> None:
        self._scorer = scorer
        stored, chunks = zip(*((keys, rows[VECTOR]) for keys, rows in store.chunks(CHUNK)), strict=True)
        flat, vectors = [key for chunk in stored for key in chunk], np.concatenate(chunks)
        used = [row for row, key in enumerate(flat) if key in keys]
        self._keys, self._vectors = [flat[row] for row in used], vectors[used]
        self._neighbours = (Hnsw if approximate else Exact)(self._vectors)

    def best(self, queries: Sequence[Rows], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query (A's side, one row each)."""
        vectors = np.concatenate([a[VECTOR] for a in queries])
        nearest = self._neighbours.nearest(vectors, min(count, len(self._keys)))
        for a, rows in zip(queries, nearest, strict=True):
            scores = self._scorer.score(a, {VECTOR: self._vectors[rows]}).tolist()
            yield list(zip([self._keys[row] for row in rows], scores, strict=True))


def score_texts(scorer: CachedScorer, store: Store, a: Rows, wanted: Collection[str] | None = None) -> dict[str, float]:
    """Returns the probability of every stored text, or of the ``wanted`` keys, by key."""
    scores: dict[str, float] = {}
    for keys, rows in store.chunks(CHUNK, wanted):
        scores.update(zip(keys, scorer.score(a, rows).tolist(), strict=True))
    return scores
