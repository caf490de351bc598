"""Likely wrong answers: documents that share words with A's, or pages that a trained model takes for the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_negaposi.drawing.likeness import Likeness
from keras_negaposi.drawing.negatives import Near

NEIGHBOURS = 10
"""A hard negative's B is from one of so many documents most like A's."""
MINED = 50
"""So many pages that a model ranks highest are tried."""


def like_documents(texts: Mapping[str, str], document: Callable[[str], str]) -> Near:
    """Names the documents most like A's; a B's pool is its document."""

    def near(queries: Sequence[str]) -> dict[str, list[str]]:
        found = nearest_documents({document(a) for a in queries}, texts, document)
        return {a: found[document(a)] for a in queries}

    return near


def mined_pages(index_path: str, text_of: Callable[[str], str]) -> Near:
    """Names the pages that an index's model ranks highest for A's text; a B's pool is itself.

    Raises:
        InputError: the index or its model cannot be used.
    """
    from keras_negaposi.indexing import Index
    from keras_negaposi.progress import Ticker

    index = Index(index_path)

    def near(queries: Sequence[str]) -> dict[str, list[str]]:
        each = index.suggest_each([[text_of(a)] for a in queries], MINED, [[a] for a in queries])
        ticker = Ticker("the model names likely pages", len(queries))
        return {queries[i]: [page.title for page in found] for i, found in ticker.watch(each)}

    return near


def nearest_documents(
    wanted: set[str], texts: Mapping[str, str], document: Callable[[str], str]
) -> dict[str, list[str]]:
    """For each wanted document the `NEIGHBOURS` others most like it, fewer where fewer share an n-gram with it.

    From every cosine half of the other's mean cosine with its own nearest is taken, as cross-domain similarity local
    scaling does (Conneau et al. 2018, arXiv 1710.04087); else long documents would be near to all.
    """
    titles: dict[str, list[str]] = {}
    for title in sorted(texts):
        titles.setdefault(document(title), []).append(title)
    names = list(titles)
    width = min(NEIGHBOURS, len(names) - 1)
    if width < 1:
        return {name: [] for name in wanted}
    likeness = Likeness((" ".join(texts[title] for title in found) for found in titles.values()), len(names))

    # Compare the wanted documents with others, then these others with theirs.
    asked = np.flatnonzero([name in wanted for name in names])
    near = dict(zip(asked.tolist(), likeness.nearest(asked, "finding documents like A's"), strict=True))
    densities = np.zeros(len(names), np.float32)
    for row, (_, cosines) in near.items():
        densities[row] = cosines[:width].sum() / width
    found = np.setdiff1d(np.unique(np.concatenate([others for others, _ in near.values()] or [asked])), asked)
    for row, (_, cosines) in zip(found, likeness.nearest(found, "comparing these documents with others"), strict=True):
        densities[row] = cosines[:width].sum() / width

    best = {
        row: others[np.argsort(densities[others] / 2 - cosines, kind="stable")]
        for row, (others, cosines) in near.items()
    }
    return {names[row]: [names[other] for other in others[:width]] for row, others in best.items()}
