"""Likely wrong answers: documents that share words with A's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from keras_negaposi.data.likeness import Likeness
from keras_negaposi.data.negative_sampling import Near

NEIGHBOURS = 10
"""A hard negative's B is from one of so many documents most like A's."""
FEWEST = 5
"""Where few documents offer a B, one of so many at least."""


def like_documents(texts: Mapping[str, str], document: Callable[[str], str], keys: Iterable[str]) -> Near:
    """Names the documents most like A's among those that have a B; a B's pool is its document.

    Args:
        texts: of the pages.
        document: of a title.
        keys: titles that may be B. Other documents than theirs and A's are not looked at.
    """
    offered = {document(key) for key in keys}

    def near(queries: Sequence[str]) -> dict[str, list[str]]:
        found = nearest_documents({document(a) for a in queries}, texts, document, offered)
        return {a: found[document(a)] for a in queries}

    return near


def nearest_documents(
    wanted: set[str],
    texts: Mapping[str, str],
    document: Callable[[str], str],
    offered: set[str] | None = None,
) -> dict[str, list[str]]:
    """For each wanted document the others most like it: `NEIGHBOURS`, or fewer where few are offered.

    Only documents that share an n-gram with it are named.

    From every cosine half of the other's mean cosine with its own nearest is taken, as cross-domain similarity local
    scaling does (Conneau et al. 2018, arXiv 1710.04087); else long documents would be near to all.

    Args:
        wanted: documents.
        texts: of the pages.
        document: of a title.
        offered: documents that may be named; all if ``None``.
    """
    titles: dict[str, list[str]] = {}
    others: set[str] = set()
    for title in sorted(texts):
        name = document(title)
        if offered is None or name in offered or name in wanted:
            titles.setdefault(name, []).append(title)
        else:
            others.add(name)
    names = list(titles)
    width = min(NEIGHBOURS, len(names) - 1)
    named = max(FEWEST, round(NEIGHBOURS * len(names) / (len(names) + len(others))))
    if width < 1:
        return {name: [] for name in wanted}
    likeness = Likeness((" ".join(texts[title] for title in found) for found in titles.values()), len(names))
    may_be_named = np.array([offered is None or name in offered for name in names])

    # Compare the wanted documents with others, then these others with theirs.
    asked = np.flatnonzero([name in wanted for name in names])
    near: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    densities = np.zeros(len(names), np.float32)
    for row, (others, cosines) in zip(asked, likeness.nearest(asked, "finding documents like A's"), strict=True):
        densities[row] = cosines[:width].sum() / width
        near[row] = others[may_be_named[others]], cosines[may_be_named[others]]
    found = np.setdiff1d(np.concatenate([asked[:0], *(others for others, _ in near.values())]), asked)
    for row, (_, cosines) in zip(found, likeness.nearest(found, "comparing these documents with others"), strict=True):
        densities[row] = cosines[:width].sum() / width

    # Name the best.
    result = {name: [] for name in wanted}
    for row, (others, cosines) in near.items():
        best = others[np.argsort(densities[others] / 2 - cosines, kind="stable")[:named]]
        result[names[row]] = [names[other] for other in best]
    return result
