"""Ranks the texts of an index for encoded queries: by scoring all of them, or by nearest-neighbour search."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.retrieval.nearest_neighbours import Exact, Hnsw
from keras_negaposi.retrieval.segment import Rows
from keras_negaposi.retrieval.store import Store

CHUNK = 256
"""Stored texts that are scored at once; the hidden states of so many take some tens of megabytes."""

Ranked = list[tuple[str, float]]
"""Keys of texts and the probability that each comes next, the best first."""


class SideScorer(Protocol):
    """Encodes texts and scores encoded sides: `CachedScorer` or `FrozenScorer`."""

    head: str

    def encode(self, side: str, texts: Sequence[str]) -> Rows:
        """Returns the tensors of texts as side ``"a"`` or ``"b"``."""

    def encode_candidates(self, texts: Sequence[str]) -> Rows:
        """Returns the tensors of texts as B that `score` takes, as if they were stored in the index."""

    def score(self, a: Rows, b: Rows) -> np.ndarray:
        """Returns the probability that B comes next, ``float32 [rows of b]``."""


@dataclasses.dataclass(frozen=True)
class Query:
    """A query of a ranker.

    Attributes:
        text: A; of several pages the last one.
        side: A's tensors, one row each; empty if the index has no vectors.
    """

    text: str
    side: Rows


class Ranker(Protocol):
    """Ranks the texts of an index."""

    def best(self, queries: Sequence[Query], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query."""

    def score(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the probability of each of the texts ``keys``."""


class FullRanker:
    """Scores every text with the model.

    Args:
        scorer: the model.
        store: the index.
        keys: of the texts to rank; the index may contain others, which are no longer in use.
    """

    def __init__(self, scorer: SideScorer, store: Store, keys: Collection[str]) -> None:
        self._scorer, self._store, self._keys = scorer, store, keys

    def best(self, queries: Sequence[Query], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query."""
        for query in queries:
            scores = self._scores(query)
            yield sorted(((key, scores[key]) for key in self._keys), key=lambda item: -item[1])[:count]

    def score(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the probability of each of the texts ``keys``."""
        return self._scores(query, set(keys))

    def _scores(self, query: Query, wanted: Collection[str] | None = None) -> dict[str, float]:
        """Returns the probability of every stored text, or of the ``wanted`` keys, by key."""
        scores: dict[str, float] = {}
        for keys, rows in self._store.chunks(CHUNK, wanted):
            scores.update(zip(keys, self._scorer.score(query.side, rows).tolist(), strict=True))
        return scores


class NearestNeighbourRanker:
    """Finds the nearest vectors and scores only their texts; exact for the bi-encoder, which ranks by cosine.

    Args:
        scorer: the model.
        vectors: of the texts to rank, by key, each of length 1 up to rounding.
        approximate: searches an HNSW graph instead of comparing all vectors.

    Raises:
        InputError: faiss, which ``approximate`` needs, is not installed.
    """

    def __init__(self, scorer: SideScorer, vectors: Mapping[str, np.ndarray], approximate: bool) -> None:
        self._scorer = scorer
        self._keys, self._vectors = list(vectors), np.stack(list(vectors.values()))
        self._rows = {key: row for row, key in enumerate(self._keys)}
        self._neighbours = (Hnsw if approximate else Exact)(self._vectors)

    def best(self, queries: Sequence[Query], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query."""
        vectors = np.concatenate([query.side[VECTOR] for query in queries])
        nearest = self._neighbours.nearest(vectors, min(count, len(self._keys)))
        for query, rows in zip(queries, nearest, strict=True):
            yield list(self._score_rows(query, rows).items())

    def score(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the probability of each of the texts ``keys``."""
        return self._score_rows(query, np.array([self._rows[key] for key in keys], np.int64))

    def _score_rows(self, query: Query, rows: np.ndarray) -> dict[str, float]:
        scores = self._scorer.score(query.side, {VECTOR: self._vectors[rows]}).tolist()
        return dict(zip([self._keys[row] for row in rows], scores, strict=True))


def stored_vectors(store: Store, keys: Collection[str]) -> dict[str, np.ndarray]:
    """Returns the stored vectors of the texts ``keys``, which must have one vector each."""
    found: dict[str, np.ndarray] = {}
    for stored, rows in store.chunks(CHUNK):
        found.update((key, vector) for key, vector in zip(stored, rows[VECTOR], strict=True) if key in keys)
    return found
