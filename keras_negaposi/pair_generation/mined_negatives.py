"""Likely wrong answers: pages that a trained model takes for the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.negative_sampling import Near

MINED = 50
"""So many pages that a model ranks highest are tried."""


def mined_pages(index_path: str, text_of: Callable[[str], str]) -> Near:
    """Names the pages that an index's model ranks highest for A's text; a B's pool is itself.

    Raises:
        InputError: the index or its model cannot be used.
    """
    from keras_negaposi.retrieval import Index

    index = Index(index_path)

    def near(queries: Sequence[str], _: Sequence[str]) -> dict[str, list[str]]:
        each = index.suggest_each([[text_of(a)] for a in queries], MINED, [[a] for a in queries])
        ticker = Ticker("the model names likely pages", len(queries))
        return {queries[i]: [page.title for page in found] for i, found in ticker.watch(each)}

    return near
