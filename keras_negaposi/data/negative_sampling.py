"""Negatives that neither side gives away: as many A, and the same kind of B, as the positives have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
TRIES = 100
"""Partners that are tried for an A and a B which cannot be a negative."""
FEWEST = 20
"""So many A and B are matched at least, where there are any: a few may all be of one document."""

Allowed = Callable[[str, str], bool]
Near = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""Names, for each of some A, the likely wrong answers: by the pool that a B is in, the likeliest first."""


def match_negatives(
    queries: Sequence[str],
    keys: Sequence[str],
    allowed: Allowed,
    near: Near,
    pool: Callable[[str], str],
    hard_share: float,
    seed: int,
) -> list[tuple[str, str]]:
    """Gives every A one of the B, each B to one A only.

    Where A and B come from pages that follow each other, as the positives do, a document has as many A, and as many B,
    in either class on average: how popular a page is tells nothing.

    Args:
        queries: titles that are A of a negative, each once.
        keys: as many titles that are B of a negative, each once.
        allowed: whether (A, B) may be a negative.
        near: names pools for the A that get a hard negative.
        pool: of a B; the document, for one, where any of its pages will do.
        hard_share: share of the A that get a B from a pool near to it, as far as such a B is left.
        seed: of every draw.

    Returns:
        The pairs in the order of ``queries``; one that could not be matched is left out.
    """
    rng = np.random.default_rng(seed)
    order = [queries[i] for i in rng.permutation(len(queries))]
    hard = order[: round(hard_share * len(order))]
    pools: dict[str, list[str]] = defaultdict(list)
    for key in (keys[i] for i in rng.permutation(len(keys))):
        pools[pool(key)].append(key)
    matched: dict[str, str] = {}
    nearest = near(hard) if hard else {}
    for a in hard:
        names = [name for name in nearest.get(a, ()) if pools.get(name) and allowed(a, pools[name][-1])]
        if names:
            matched[a] = pools[names[rng.integers(len(names))]].pop()
    left = [key for found in pools.values() for key in found]
    rest = [a for a in order if a not in matched]
    drawn = dict(zip(rest, (left[i] for i in rng.permutation(len(left))), strict=True))
    for a in rest:
        _repair(a, drawn, rest, allowed, rng)
    matched |= {a: b for a, b in drawn.items() if allowed(a, b)}
    return [(a, matched[a]) for a in queries if a in matched]


def halves(drawn: Sequence[T], count: int | None) -> tuple[Sequence[T], Sequence[T]]:
    """The positives among some possible ones, and those whose A and B are matched for as many negatives.

    Args:
        drawn: possible positives in random order.
        count: of positives and negatives together; as many as there are if ``None``.
    """
    half = min(len(drawn), len(drawn) if count is None else count) // 2
    return drawn[:half], drawn[half : max(2 * half, half + FEWEST)]


def with_texts_of(positives: Iterable[tuple[str, str]], texts: Mapping[str, str]) -> Allowed:
    """Whether the texts of (A, B) are those of a positive, whatever their titles."""
    known = {(hash(texts[a]), hash(texts[b])) for a, b in positives}
    return lambda a, b: (hash(texts[a]), hash(texts[b])) in known


def _repair(a: str, drawn: dict[str, str], others: Sequence[str], allowed: Allowed, rng: np.random.Generator) -> None:
    """Exchanges the B of ``a`` with another's, where ``a`` may not have its own."""
    for _ in range(TRIES):
        if allowed(a, drawn[a]):
            return
        other = others[rng.integers(len(others))]
        if allowed(a, drawn[other]) and allowed(other, drawn[a]):
            drawn[a], drawn[other] = drawn[other], drawn[a]
