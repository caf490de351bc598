"""Ranks the texts of an index for encoded queries: by scoring all of them, or by nearest-neighbour search."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import numpy as np

from keras_negaposi.index_files.nearest_neighbours import VectorSearch
from keras_negaposi.index_files.segment import Rows
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vectors import Vectors
from keras_negaposi.modeling.heads.tensor_names import VECTOR

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
        vectors: of the texts to rank.
        neighbours: searches them.
    """

    def __init__(self, scorer: SideScorer, vectors: Vectors, neighbours: VectorSearch) -> None:
        self._scorer, self._vectors, self._neighbours = scorer, vectors, neighbours

    def best(self, queries: Sequence[Query], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query."""
        sides = np.concatenate([query.side[VECTOR] for query in queries])
        nearest = self._neighbours.nearest(sides, min(count, len(self._vectors)))
        for query, (rows, _) in zip(queries, nearest, strict=True):
            keys = [self._vectors.key(row) for row in rows.tolist()]
            yield list(zip(keys, self._scores(query, rows), strict=True))

    def score(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the probability of each of the texts ``keys``."""
        rows = np.array([self._vectors.row(key) for key in keys], np.int64)
        return dict(zip(keys, self._scores(query, rows), strict=True))

    def _scores(self, query: Query, rows: np.ndarray) -> list[float]:
        return self._scorer.score(query.side, self._vectors.tensors(rows)).tolist()
