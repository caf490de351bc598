"""Mined hard negatives: pages that a trained model ranks high as the next page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.negative_sampling import Near

MINED = 50
"""Number of top-ranked pages that are candidates for the B of a negative."""


def mined_pages(index_path: str, text_of: Callable[[str], str]) -> Near:
    """Returns a function that lists, for each A, the pages that an index's model ranks highest.

    The pool of a B is the page itself.

    Raises:
        InputError: the index or its model cannot be used.
    """
    from keras_negaposi.retrieval import Index

    index = Index(index_path)

    def near(queries: Sequence[str], _: Sequence[str]) -> dict[str, list[str]]:
        each = index.suggest_each([[text_of(a)] for a in queries], MINED, [[a] for a in queries])
        ticker = Ticker("mining hard negatives", len(queries))
        return {queries[i]: [page.title for page in pages] for i, pages in ticker.watch(each)}

    return near
