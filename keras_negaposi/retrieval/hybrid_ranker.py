"""Ranks by lexical features, alone or combined with a model.

The candidates are the best texts by the model and the nearest texts by TF-IDF; only these get all features.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import numpy as np

from keras_negaposi.lexical.kept_features import KeptFeatures
from keras_negaposi.retrieval.lexical_part import LexicalPart
from keras_negaposi.retrieval.rankers import Query, Ranked, Ranker

CANDIDATES = 100
"""Candidates by either method, or as many as are asked for if that is more."""

Combine = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Maps the model's probabilities (NaN without a model) and the lexical logits of a query's texts to their scores,
``float [texts]`` each."""


class HybridRanker:
    """Orders candidates by the combined evidence.

    Args:
        neural: ranks by the model; ``None`` if there is none.
        lexical: the lexical part of the index.
        texts: by key, each once, in the order of ``lexical.index``.
        combine: computes the scores.
    """

    def __init__(self, neural: Ranker | None, lexical: LexicalPart, texts: Mapping[str, str], combine: Combine) -> None:
        self._neural, self._lexical, self._texts, self._combine = neural, lexical, texts, combine
        self._keys = list(texts)
        self._features = KeptFeatures(lexical.model.frequencies, lexical.model.neighbours)

    def best(self, queries: Sequence[Query], count: int) -> Iterator[Ranked]:
        """Yields the best ``count`` texts for each query."""
        # 1. Collect the candidates of each query, and score them with the model.
        wanted = max(count, CANDIDATES)
        lexical = self._nearest(queries, wanted)
        neural = list(self._neural.best(queries, wanted)) if self._neural else [[] for _ in queries]
        scored = []
        for query, nearest, ranked in zip(queries, lexical, neural, strict=True):
            scores = dict(ranked)
            more = [key for key in nearest if key not in scores]
            scored.append(scores | self._neural_scores(query, more))

        # 2. Add the lexical evidence, for all queries at once.
        logits = self._lexical_logits(queries, [list(scores) for scores in scored])
        for scores, of_query in zip(scored, logits, strict=True):
            combined = self._combined(scores, of_query)
            yield sorted(combined.items(), key=lambda item: -item[1])[:count]

    def score(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the score of each of the texts ``keys``."""
        scores = self._neural_scores(query, keys)
        (logits,) = self._lexical_logits([query], [list(scores)])
        return self._combined(scores, logits)

    def preparing(self) -> Iterator[int]:
        """Computes ahead what queries need of the texts; yields how many are ready, after a few each time."""
        return self._features.preparing(self._texts.values())

    def _nearest(self, queries: Sequence[Query], count: int) -> list[list[str]]:
        """Returns the keys of the nearest texts by TF-IDF for each query."""
        if self._lexical.index is None:
            return [[] for _ in queries]
        nearest = self._lexical.index.nearest([query.text for query in queries], count)
        return [[self._keys[row] for row in rows] for rows, _ in nearest]

    def _neural_scores(self, query: Query, keys: Collection[str]) -> dict[str, float]:
        """Returns the model's probability of each text; NaN if there is no model."""
        if self._neural is None:
            return dict.fromkeys(keys, np.nan)
        return self._neural.score(query, keys) if keys else {}

    def _lexical_logits(self, queries: Sequence[Query], candidates: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Returns the lexical logits of each query's candidates, ``float64 [candidates]``."""
        texts = [[self._texts[key] for key in keys] for keys in candidates]
        features = self._features.of([query.text for query in queries], texts)
        return [self._lexical.model.logits_of_features(of_query) for of_query in features]

    def _combined(self, scores: Mapping[str, float], lexical_logits: np.ndarray) -> dict[str, float]:
        probabilities = np.array(list(scores.values()))
        return dict(zip(scores, self._combine(probabilities, lexical_logits).tolist(), strict=True))
