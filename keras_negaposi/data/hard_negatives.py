"""Hard negatives: B from documents that share many n-grams with A's document."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from keras_negaposi.data.negative_sampling import Near
from keras_negaposi.data.tfidf_index import TfidfIndex

NEIGHBOURS = 10
"""A hard negative's B is from one of this many documents most similar to A's."""
FEWEST = 5
"""Where only part of the documents have a B, that part of `NEIGHBOURS` is used, but at least this many."""


def similar_documents(texts: Mapping[str, str], document: Callable[[str], str]) -> Near:
    """Returns a function that names the documents most similar to A's among those that have a B.

    Args:
        texts: title -> text of the pages.
        document: returns the document of a title.
    """

    def near(queries: Sequence[str], keys: Iterable[str]) -> dict[str, list[str]]:
        wanted = {document(a) for a in queries}
        found = nearest_documents(wanted, texts, document, {document(key) for key in keys})
        return {a: found[document(a)] for a in queries}

    return near


def nearest_documents(
    wanted: set[str],
    texts: Mapping[str, str],
    document: Callable[[str], str],
    offered: set[str] | None = None,
) -> dict[str, list[str]]:
    """Finds the most similar other documents: `NEIGHBOURS`, or fewer where only part of the documents are offered.

    Only documents that share an n-gram are similar. Some documents (long ones, above all) have high cosines with nearly
    all others and would be everybody's neighbours ("hubs"). So half of a document's mean cosine with its own nearest
    neighbours, its density, is subtracted from each cosine with it, as in cross-domain similarity local scaling
    (CSLS: Conneau et al. 2018, arXiv 1710.04087). The density of the wanted document is the same for all its
    candidates and does not change their order, so it is left out.

    Args:
        wanted: documents to find neighbours for.
        texts: title -> text of the pages.
        document: returns the document of a title.
        offered: documents that may be returned; ``None`` for all. Others are not compared, unless they are wanted.

    Returns:
        For each wanted document the names of the most similar ones, best first.
    """
    # Collect the pages of the documents that are compared.
    titles: dict[str, list[str]] = {}
    left_out: set[str] = set()
    for title in sorted(texts):
        name = document(title)
        if offered is None or name in offered or name in wanted:
            titles.setdefault(name, []).append(title)
        else:
            left_out.add(name)
    names = list(titles)
    width = min(NEIGHBOURS, len(names) - 1)
    result: dict[str, list[str]] = {name: [] for name in wanted}
    if width < 1:
        return result
    index = TfidfIndex((" ".join(texts[title] for title in pages) for pages in titles.values()), len(names))
    may_be_named = np.array([offered is None or name in offered for name in names])

    # Find the neighbours of the wanted documents, and the densities of these neighbours.
    near: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    densities = np.zeros(len(names), np.float32)
    asked = np.flatnonzero([name in wanted for name in names])
    nearest = index.nearest(asked, "finding documents similar to A's")
    for row, (others, cosines) in zip(asked.tolist(), nearest, strict=True):
        densities[row] = cosines[:width].sum() / width
        near[row] = others[may_be_named[others]], cosines[may_be_named[others]]
    found = np.setdiff1d(np.concatenate([asked[:0], *(others for others, _ in near.values())]), asked)
    for row, (_, cosines) in zip(
        found, index.nearest(found, "computing the densities of these documents"), strict=True
    ):
        densities[row] = cosines[:width].sum() / width

    # Return the best. If few documents are offered, fewer are similar: lower the number with their share.
    named = max(FEWEST, round(NEIGHBOURS * len(names) / (len(names) + len(left_out))))
    for row, (others, cosines) in near.items():
        best = others[np.argsort(densities[others] / 2 - cosines, kind="stable")[:named]]
        result[names[row]] = [names[other] for other in best]
    return result
