"""Balanced sampling of positives and negatives, so that neither A alone nor B alone tells the label.

Every page is A at most once and B at most once, and the A and B of the negatives come from adjacent pages, as those of
the positives do. So on average a document contributes as many A, and as many B, to either class.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")
TRIES = 100
"""How many other A are tried for an exchange, where an A and its B cannot be a negative."""
FEWEST = 20
"""At least this many A and B are matched, where there are as many: a few may all be from one document."""

Allowed = Callable[[str, str], bool]
Near = Callable[[Sequence[str], Sequence[str]], Mapping[str, Sequence[str]]]
"""Takes some A and the possible B; returns for each A the pools of likely wrong answers, the likeliest first."""


def sample_balanced(
    candidates: Sequence[tuple[str, str]],
    count: int | None,
    allowed: Allowed,
    near: Near,
    pool: Callable[[str], str],
    hard_share: float,
    seed: int,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Uses half of the candidates as positives, and recombines the A and B of the others into as many negatives.

    Args:
        candidates: possible positives (A, B) in random order; every title is A at most once and B at most once.
        count: number of positives and negatives together; ``None`` for as many as possible.
        allowed: as in `match_negatives`, as are the others.
        near: see there.
        pool: see there.
        hard_share: see there.
        seed: see there.

    Returns:
        The positives and the negatives, equally many.
    """
    positives, others = halves(candidates, count)
    queries, keys = [a for a, _ in others], [b for _, b in others]
    negatives = match_negatives(queries, keys, allowed, near, pool, hard_share, seed)[: len(positives)]
    return list(positives[: len(negatives)]), negatives


def match_negatives(
    queries: Sequence[str],
    keys: Sequence[str],
    allowed: Allowed,
    near: Near,
    pool: Callable[[str], str],
    hard_share: float,
    seed: int,
) -> list[tuple[str, str]]:
    """Gives every A one of the B, and each B to one A only.

    Args:
        queries: titles that are A of a negative, each once.
        keys: as many titles that are B of a negative, each once.
        allowed: whether (A, B) may be a negative.
        near: returns the pools for each A that gets a hard negative.
        pool: returns the pool of a B: for example its document, if any page of a likely document will do.
        hard_share: share of the A that get a B from one of their pools, as long as these have any left.
        seed: random seed.

    Returns:
        The pairs in the order of ``queries``, without the A that could not be matched.
    """
    # Shuffle A and B, and sort the B into their pools.
    rng = np.random.default_rng(seed)
    order = [queries[i] for i in rng.permutation(len(queries))]
    hard = order[: round(hard_share * len(order))]
    pools: dict[str, list[str]] = defaultdict(list)
    for key in (keys[i] for i in rng.permutation(len(keys))):
        pools[pool(key)].append(key)

    # Hard negatives: take the next B of a random pool among those near A.
    matched: dict[str, str] = {}
    nearest = near(hard, keys) if hard else {}
    for a in hard:
        names = [name for name in nearest.get(a, ()) if pools.get(name) and allowed(a, pools[name][-1])]
        if names:
            matched[a] = pools[names[rng.integers(len(names))]].pop()

    # Give the remaining B to the remaining A at random, then exchange those that are not allowed.
    left = [key for keys_of_pool in pools.values() for key in keys_of_pool]
    rest = [a for a in order if a not in matched]
    assigned = dict(zip(rest, (left[i] for i in rng.permutation(len(left))), strict=True))
    for a in rest:
        _repair(a, assigned, rest, allowed, rng)
    matched |= {a: b for a, b in assigned.items() if allowed(a, b)}
    return [(a, matched[a]) for a in queries if a in matched]


def halves(shuffled: Sequence[T], count: int | None) -> tuple[Sequence[T], Sequence[T]]:
    """Returns the positives, and the candidates whose A and B are recombined into as many negatives.

    Args:
        shuffled: candidates in random order.
        count: number of positives and negatives together; ``None`` for as many as there are candidates.
    """
    half = min(len(shuffled), len(shuffled) if count is None else count) // 2
    return shuffled[:half], shuffled[half : max(2 * half, half + FEWEST)]


def same_texts_as(positives: Iterable[tuple[str, str]], texts: Mapping[str, str]) -> Allowed:
    """Returns a function that checks whether A and B have the same texts as a positive, whatever their titles."""
    known = {(hash(texts[a]), hash(texts[b])) for a, b in positives}
    return lambda a, b: (hash(texts[a]), hash(texts[b])) in known


def _repair(
    a: str, assigned: dict[str, str], others: Sequence[str], allowed: Allowed, rng: np.random.Generator
) -> None:
    """Exchanges the B of ``a`` with that of another A, if ``a`` may not have its own."""
    for _ in range(TRIES):
        if allowed(a, assigned[a]):
            return
        other = others[int(rng.integers(len(others)))]
        if allowed(a, assigned[other]) and allowed(other, assigned[a]):
            assigned[a], assigned[other] = assigned[other], assigned[a]
