"""Sorts the best pages again, with the reranker of the options or with the index's own run."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from keras_negaposi.retrieval.origin import Origin
from keras_negaposi.retrieval.suggestions import Suggestion, reranked, reranks_itself
from keras_negaposi.server.requests import RequestError
from keras_negaposi.serving.scorer import Scorer

Item = tuple[Sequence[Suggestion], str, int, Origin]
"""Suggestions, the text of A, how many of them to sort, and the origin of the index that made them."""


class Reranking:
    """Keeps the reranker in memory. That of an index's own run is loaded when the first request asks for it.

    Args:
        path: folder of a run, or a SavedModel; ``None`` for the index's own run.

    Raises:
        InputError: the reranker cannot be used.
    """

    def __init__(self, path: str | None) -> None:
        self._given = Scorer(path) if path is not None else None
        self._own: tuple[object, Scorer] | None = None
        self._reranks_itself = functools.cache(reranks_itself)

    def check(self, origin: Origin) -> None:
        """Checks that there is a reranker for an index.

        Raises:
            RequestError: there is none.
        """
        if self._given is None and not self._reranks_itself(origin.run):
            raise RequestError(
                400,
                "rerank: the server was started without --reranker, and the index was made by no run with a partner, "
                "such as --recipe best trains",
            )

    def rerank(self, items: Sequence[Item]) -> list[list[Suggestion]]:
        """Sorts the suggestions of several requests."""
        return [reranked(found, text, count, self._scorer(origin)) for found, text, count, origin in items]

    def _scorer(self, origin: Origin) -> Scorer:
        """Returns the reranker; a run that was trained again has another scorer, and is loaded again."""
        if self._given:
            return self._given
        if self._own is None or self._own[0] is not origin.scorer:
            self._own = origin.scorer, Scorer(str(origin.run))
        return self._own[1]
