"""Cutting the pairs into train, dev and test: by pair, or so that no document is on both sides."""

from __future__ import annotations

import dataclasses
import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.model_selection import train_test_split

from checkpoints_tools.errors import InputError
from keras_negaposi.labelled import Pair

STARTS = 8
"""How many seeded starts the grouped cut tries; the one that keeps most pairs wins."""
TOLERANCE = 0.1
"""The grouped test side may miss its wanted size by this part of it."""


@dataclasses.dataclass(frozen=True)
class Split:
    """The parts by name (``train``, ``test`` and, if asked for, ``dev``) and what the cut cost."""

    parts: dict[str, list[Pair]]
    crossing: int = 0
    downsampled: int = 0

    @property
    def held_out(self) -> list[Pair]:
        """Pairs that must not be trained on."""
        return [pair for name in ("test", "dev") for pair in self.parts.get(name, [])]

    def free_titles(self, titles: Iterable[str], method: str, group_pattern: str) -> list[str]:
        """Those of ``titles`` that may be trained on: in no held-out pair, nor, in a grouped split, their document."""
        place = Documents(group_pattern) if method == "grouped" else str
        taken = {place(title) for pair in self.held_out for title in (pair.a, pair.b)}
        return [title for title in titles if place(title) not in taken]

    def describe(self) -> str:
        """One line for the user."""
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.parts.items())
        if not self.crossing and not self.downsampled:
            return sizes
        return (
            f"{sizes}; {self.crossing:,} pairs across the cut dropped, then {self.downsampled:,} more drawn out at "
            "random so that each side keeps the classes' shares"
        )


def split_pairs(
    pairs: Sequence[Pair], method: str, test_share: float, dev_share: float, group_pattern: str, seed: int
) -> Split:
    """Splits the pairs; the same arguments always give the same parts.

    Args:
        pairs: all labelled pairs.
        method: ``random`` (stratified by label) or ``grouped`` (by document).
        test_share: the part of all pairs to test on.
        dev_share: the part of the training pairs to set aside for choosing anything; 0 for none.
        group_pattern: for ``grouped``, a regular expression with one group that finds the document in a title.
        seed: of every draw.

    Raises:
        InputError: too few pairs, a bad pattern, or documents so entangled that a part would miss a class.
    """
    documents = Documents(group_pattern)
    crossing = downsampled = 0
    parts = {"train": list(pairs)}
    for name, share in (("test", test_share), ("dev", dev_share)):
        if not share:
            continue
        if method == "random":
            parts["train"], parts[name] = _random(parts["train"], share, seed)
        else:
            cut = _grouped(parts["train"], share, documents, seed)
            parts["train"], parts[name] = cut.parts["train"], cut.parts["test"]
            crossing += cut.crossing
            downsampled += cut.downsampled
    for name, part in parts.items():
        if len({pair.label for pair in part}) < 2:
            raise InputError(f"--split {method}: the {name} part has not both classes; give more pairs or documents")
    return Split(parts, crossing, downsampled)


def _random(pairs: list[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    try:
        kept, held_out = train_test_split(
            pairs, test_size=share, random_state=seed, stratify=[pair.label for pair in pairs]
        )
    except ValueError as error:
        raise InputError(f"--split random: {len(pairs)} pairs are too few to split: {error}") from None
    return kept, held_out


class Documents:
    """Finds the document in a title."""

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern)
        except re.error as error:
            raise InputError(f"--group_pattern {pattern}: not a regular expression: {error}") from None
        if self._pattern.groups != 1:
            raise InputError(f"--group_pattern {pattern}: must have exactly one group, the document; write (...)")

    def __call__(self, title: str) -> str:
        """The document, or the title itself where the pattern does not match."""
        match = self._pattern.search(title)
        return match[1] if match and match[1] is not None else title


def documents_of(pairs: Sequence[Pair], group_pattern: str) -> list[tuple[str, str]]:
    """The documents of A and of B of each pair."""
    documents = Documents(group_pattern)
    return [(documents(pair.a), documents(pair.b)) for pair in pairs]


def _grouped(pairs: list[Pair], share: float, documents: Documents, seed: int) -> Split:
    ends = [(documents(pair.a), documents(pair.b)) for pair in pairs]
    wanted = share * len(pairs)
    best: set[str] = set()
    best_kept = -1
    for start in range(STARTS):
        side = _grow(ends, wanted, np.random.default_rng([seed, start]))
        kept = _kept(pairs, ends, side)
        if kept > best_kept:
            best, best_kept = side, kept
    train = [pair for pair, (a, b) in zip(pairs, ends, strict=True) if a not in best and b not in best]
    test = [pair for pair, (a, b) in zip(pairs, ends, strict=True) if a in best and b in best]
    positive_share = sum(pair.label for pair in pairs) / len(pairs)
    balanced = {
        name: _rebalance(part, positive_share, np.random.default_rng([seed, number]))
        for number, (name, part) in enumerate((("train", train), ("test", test)))
    }
    kept = sum(map(len, balanced.values()))
    return Split(balanced, len(pairs) - len(train) - len(test), len(train) + len(test) - kept)


def _grow(ends: list[tuple[str, str]], wanted: float, rng: np.random.Generator) -> set[str]:
    """Grows the test side from one document, always taking the one with the most pairs into it, then swaps.

    Greedy graph growing followed by single moves, as in multilevel graph partitioning (Karypis and Kumar, 1998).
    The side's size is counted in pairs: one within it counts 1, one across the cut 1/2.
    """
    weight: dict[str, float] = defaultdict(float)
    links: dict[str, Counter[str]] = defaultdict(Counter)
    for a, b in ends:
        weight[a] += 0.5
        weight[b] += 0.5
        if a != b:
            links[a][b] += 1
            links[b][a] += 1
    names = sorted(weight)
    order = [names[i] for i in rng.permutation(len(names))]
    side: set[str] = set()
    size = 0.0
    heap: list[tuple[float, int, str]] = []
    rank = {name: number for number, name in enumerate(order)}
    fresh = iter(order)

    def gain(name: str) -> float:
        """By how much the cut shrinks when the document changes sides."""
        inside = sum(count for other, count in links[name].items() if other in side)
        outside = links[name].total() - inside
        return float(inside - outside) if name not in side else float(outside - inside)

    while size < wanted:
        name = heapq.heappop(heap)[2] if heap else next(fresh, None)
        if name is None:
            break
        if name in side or size + weight[name] > wanted * (1 + TOLERANCE):
            continue
        side.add(name)
        size += weight[name]
        for other in links[name]:
            if other not in side:
                heapq.heappush(heap, (-gain(other), rank[other], other))
    for _ in range(10):
        moved = False
        for name in order:
            change = -weight[name] if name in side else weight[name]
            if gain(name) > 0 and abs(size + change - wanted) <= wanted * TOLERANCE:
                side ^= {name}
                size += change
                moved = True
        if not moved:
            break
    return side


def _kept(pairs: list[Pair], ends: list[tuple[str, str]], side: set[str]) -> int:
    """How many pairs stay on either side after the classes are levelled: what the cut is chosen for."""
    counts: Counter[tuple[bool, int]] = Counter()
    for pair, (a, b) in zip(pairs, ends, strict=True):
        if (a in side) == (b in side):
            counts[a in side, pair.label] += 1
    return sum(2 * min(counts[where, 0], counts[where, 1]) for where in (False, True))


def _rebalance(pairs: list[Pair], positive_share: float, rng: np.random.Generator) -> list[Pair]:
    """Draws out pairs of the class that has too many, until the classes have their shares again."""
    by_label = {label: [pair for pair in pairs if pair.label == label] for label in (0, 1)}
    shares = {0: 1 - positive_share, 1: positive_share}
    total = min(len(by_label[label]) / shares[label] for label in (0, 1))
    keep: set[Pair] = set()
    for label, group in by_label.items():
        count = round(total * shares[label])
        keep.update(group[i] for i in rng.permutation(len(group))[:count])
    return [pair for pair in pairs if pair in keep]
