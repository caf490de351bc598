"""Negatives that neither side gives away: as many A, and the same kind of B, as the positives have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_negaposi.judging.trivial import vectorizer

NEIGHBOURS = 10
"""A hard negative's B is from one of so many documents most like A's."""
ROWS = 256
"""Documents compared with all others at once."""
TRIES = 100
"""Partners that are tried for an A and a B which cannot be a negative."""

Allowed = Callable[[str, str], bool]


def match_negatives(
    queries: Sequence[str],
    keys: Sequence[str],
    document: Callable[[str], str],
    texts: Mapping[str, str],
    hard_share: float,
    allowed: Allowed,
    seed: int,
) -> list[tuple[str, str]]:
    """Gives every A one of the B, each B to one A only.

    Where A and B come from pages that follow each other, as the positives do, a document has as many A, and as many B,
    in either class on average: how popular a page is tells nothing.

    Args:
        queries: titles that are A of a negative, each once.
        keys: as many titles that are B of a negative, each once.
        document: of a title.
        texts: title -> text, of every document's pages.
        hard_share: share of the A whose B is from a document like A's, as far as such a B is left.
        allowed: whether (A, B) may be a negative.
        seed: of every draw.

    Returns:
        The pairs in the order of ``queries``; one that could not be matched is left out.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(queries))
    hard = order[: round(hard_share * len(queries))]
    pools: dict[str, list[str]] = defaultdict(list)
    for key in (keys[i] for i in rng.permutation(len(keys))):
        pools[document(key)].append(key)
    matched: dict[str, str] = {}
    near = nearest_documents({document(queries[i]) for i in hard}, document, texts) if len(hard) else {}
    for a in (queries[i] for i in hard):
        names = [name for name in near[document(a)] if pools.get(name) and allowed(a, pools[name][-1])]
        if names:
            matched[a] = pools[names[rng.integers(len(names))]].pop()
    left = [key for pool in pools.values() for key in pool]
    rest = [queries[i] for i in order if queries[i] not in matched]
    drawn = dict(zip(rest, (left[i] for i in rng.permutation(len(left))), strict=True))
    for a in rest:
        _repair(a, drawn, rest, allowed, rng)
    matched |= {a: b for a, b in drawn.items() if allowed(a, b)}
    return [(a, matched[a]) for a in queries if a in matched]


def nearest_documents(
    wanted: set[str], document: Callable[[str], str], texts: Mapping[str, str]
) -> dict[str, list[str]]:
    """For each wanted document the `NEIGHBOURS` others most like it, by TF-IDF of their whole texts.

    From every cosine half of the other's mean cosine with its own nearest is taken, as cross-domain similarity local
    scaling does (Conneau et al. 2018, arXiv 1710.04087); else long documents would be near to all.
    """
    pages: dict[str, list[str]] = defaultdict(list)
    for title, text in texts.items():
        pages[document(title)].append(text)
    names = list(pages)
    matrix = vectorizer().fit_transform(" ".join(found) for found in pages.values()).astype(np.float32)
    width = min(NEIGHBOURS, len(names) - 1)
    if width < 1:
        return {name: [] for name in wanted}

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


def _repair(a: str, drawn: dict[str, str], others: Sequence[str], allowed: Allowed, rng: np.random.Generator) -> None:
    """Exchanges the B of ``a`` with another's, where ``a`` may not have its own."""
    for _ in range(TRIES):
        if allowed(a, drawn[a]):
            return
        other = others[rng.integers(len(others))]
        if allowed(a, drawn[other]) and allowed(other, drawn[a]):
            drawn[a], drawn[other] = drawn[other], drawn[a]
