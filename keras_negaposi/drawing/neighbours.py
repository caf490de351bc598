"""Likely wrong answers: documents that share words with A's, or pages that a trained model takes for the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from checkpoints_tools.errors import InputError
from keras_negaposi.drawing.negatives import Near
from keras_negaposi.tfidf import vectorizer

NEIGHBOURS = 10
"""A hard negative's B is from one of so many documents most like A's."""
MINED = 50
"""So many pages that a model ranks highest are tried."""
ROWS = 256
"""Documents compared with all others at once."""


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
    """For each wanted document the `NEIGHBOURS` others most like it, by TF-IDF of their whole texts.

    From every cosine half of the other's mean cosine with its own nearest is taken, as cross-domain similarity local
    scaling does (Conneau et al. 2018, arXiv 1710.04087); else long documents would be near to all.
    """
    titles: dict[str, list[str]] = {}
    for title in texts:
        titles.setdefault(document(title), []).append(title)
    names = list(titles)
    width = min(NEIGHBOURS, len(names) - 1)
    if width < 1:
        return {name: [] for name in wanted}
    whole = (" ".join(texts[title] for title in found) for found in titles.values())
    try:
        matrix = vectorizer().fit_transform(whole).astype(np.float32)
    except ValueError:
        raise InputError("no text has two characters: nothing to tell like documents by; give more text") from None

    def cosines(rows: np.ndarray) -> np.ndarray:
        found = (matrix[rows] @ matrix.T).toarray()
        found[np.arange(len(rows)), rows] = -1.0
        return found

    def blocks(rows: np.ndarray) -> list[np.ndarray]:
        return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]

    def density(rows: np.ndarray) -> np.ndarray:
        return np.partition(cosines(rows), -width, axis=1)[:, -width:].mean(axis=1)

    densities = np.concatenate([density(rows) for rows in blocks(np.arange(len(names)))])
    result = {}
    for rows in blocks(np.flatnonzero([name in wanted for name in names])):
        scores = cosines(rows) - densities / 2
        scores[np.arange(len(rows)), rows] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :width]
        result |= {names[row]: [names[i] for i in found] for row, found in zip(rows, best, strict=True)}
    return result
