"""Cutting the pairs into train, dev and test: by pair, or so that no document is on both sides."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from sklearn.model_selection import train_test_split

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_blocks
from checkpoints_tools.common.schema import read_as
from keras_negaposi.data.adjacency import is_masked, page_of
from keras_negaposi.data.pairs import Pair, Pairs

STARTS = 8
"""How many seeded starts the grouped cut tries; the one that keeps most pairs wins."""
TOLERANCE = 0.1
"""The grouped test side may miss its wanted size by this part of it."""
SPLIT_FIX = "finish the run again with --resume, which writes the file again"


@dataclasses.dataclass(frozen=True)
class Split:
    """The parts by name (``train``, ``test`` and, if asked for, ``dev``) and what the cut cost."""

    parts: dict[str, Pairs]
    crossing: int = 0
    downsampled: int = 0

    @property
    def held_out(self) -> list[Pair]:
        """Pairs that must not be trained on."""
        return [pair for name in ("test", "dev") for pair in self.parts.get(name, ())]

    def free_titles(self, titles: Iterable[str], method: str, group_pattern: str) -> list[str]:
        """Those of ``titles`` that may be trained on: in no held-out pair, nor, in a grouped split, their document.

        A masked copy stands for its page, and is never one of them.
        """
        place = Documents(group_pattern) if method == "grouped" else str
        taken = {place(page_of(title)) for pair in self.held_out for title in (pair.a, pair.b)}
        return [title for title in titles if not is_masked(title) and place(title) not in taken]

    def write(self, path: str) -> None:
        """Writes the parts as JSON, ``[a, b, label]`` a line."""
        write_blocks(path, (block.encode() for block in self._blocks()))

    def _blocks(self) -> Iterator[str]:
        quoted = functools.cache(json.JSONEncoder(ensure_ascii=False).encode)  # a title is in many pairs
        for number, (name, pairs) in enumerate(self.parts.items()):
            yield f"{',' if number else '{'}\n {json.dumps(name)}: ["
            for place, pair in enumerate(pairs):
                yield f"{',' if place else ''}\n  [{quoted(pair.a)}, {quoted(pair.b)}, {pair.label}]"
            yield "\n ]"
        yield "\n}\n"

    def describe(self) -> str:
        """One line for the user."""
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.parts.items())
        if not self.crossing and not self.downsampled:
            return sizes
        return (
            f"{sizes}; {self.crossing:,} pairs across the cut dropped, then {self.downsampled:,} more drawn out at "
            "random so that each side keeps the classes' shares"
        )


_Rows = list[tuple[str, str, Literal[0, 1]]]


@dataclasses.dataclass(frozen=True)
class _Saved:
    """The content of ``split.json``."""

    train: _Rows
    test: _Rows
    dev: _Rows | None = None
    unlabelled: _Rows | None = None


def read_split(path: str) -> dict[str, Pairs]:
    """The parts that `Split.write` wrote.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """
    rows = vars(read_as(_Saved, path, SPLIT_FIX))
    for name, part in rows.items():
        if part is not None and not part:
            raise InputError(f"{path}: {name}: no pairs; {SPLIT_FIX}")
    return {name: Pairs.of(Pair(*row) for row in part) for name, part in rows.items() if part}


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
    parts = {"train": Pairs.of(pairs)}
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
        if len(np.unique(part.labels)) < 2:
            raise InputError(f"--split {method}: the {name} part has not both classes; give more pairs or documents")
    return Split(parts, crossing, downsampled)


def _random(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    try:
        kept, held_out = train_test_split(
            np.arange(len(pairs)), test_size=share, random_state=seed, stratify=pairs.labels
        )
    except ValueError as error:
        raise InputError(f"--split random: {len(pairs)} pairs are too few to split: {error}") from None
    return pairs.take(kept), pairs.take(held_out)


class Documents:
    """Finds the document in a title."""

    def __init__(self, pattern: str) -> None:
        try:
            self._pattern = re.compile(pattern, re.DOTALL)  # a title may hold line breaks
        except re.error as error:
            raise InputError(f"--group_pattern {pattern}: not a regular expression: {error}") from None
        if self._pattern.groups != 1:
            raise InputError(f"--group_pattern {pattern}: must have exactly one group, the document; write (...)")

    def __call__(self, title: str) -> str:
        """The document, or the title itself where the pattern finds none, or an empty one."""
        match = self._pattern.search(title)
        return match[1] if match and match[1] else title


def documents_of(pairs: Sequence[Pair], group_pattern: str) -> list[tuple[str, str]]:
    """The documents of A and of B of each pair."""
    documents = Documents(group_pattern)
    return [(documents(pair.a), documents(pair.b)) for pair in pairs]


def _grouped(pairs: Pairs, share: float, documents: Documents, seed: int) -> Split:
    of_titles = [documents(title) for title in pairs.titles]
    numbers = {name: number for number, name in enumerate(sorted(set(of_titles)))}
    ends = np.array([numbers[name] for name in of_titles])[pairs.rows[:, :2]]
    graph = _Graph(ends, len(numbers))
    sides = (graph.grow(share * len(pairs), np.random.default_rng([seed, start])) for start in range(STARTS))
    best = max(sides, key=lambda side: _kept(pairs.labels, side[ends]))
    parts = {"train": np.flatnonzero(~best[ends].any(axis=1)), "test": np.flatnonzero(best[ends].all(axis=1))}
    uncrossed = sum(map(len, parts.values()))
    for number, (name, part) in enumerate(parts.items()):
        keep = _rebalance(pairs.labels[part], pairs.labels.mean(), np.random.default_rng([seed, number]))
        parts[name] = part[keep]
    kept = sum(map(len, parts.values()))
    return Split({name: pairs.take(part) for name, part in parts.items()}, len(pairs) - uncrossed, uncrossed - kept)


class _Graph:
    """The documents, and how many pairs join two of them.

    Args:
        ends: documents of A and of B, ``int [pairs, 2]``.
        count: of the documents.
    """

    def __init__(self, ends: np.ndarray, count: int) -> None:
        self._weight = np.bincount(ends.ravel(), minlength=count) / 2  # a pair is half of either's
        self._documents = np.unique(ends)
        self._links: dict[int, Counter[int]] = defaultdict(Counter)
        joined, pairs = np.unique(ends[:, 0] * count + ends[:, 1], return_counts=True)
        for key, number in zip(joined.tolist(), pairs.tolist(), strict=True):
            a, b = divmod(key, count)
            if a != b:
                self._links[a][b] += number
                self._links[b][a] += number

    def grow(self, wanted: float, rng: np.random.Generator) -> np.ndarray:
        """Grows the test side from one document, always taking the one with the most pairs into it, then swaps.

        Greedy graph growing followed by single moves, as in multilevel graph partitioning (Karypis and Kumar, 1998).
        The side's size is counted in pairs: one within it counts 1, one across the cut 1/2.

        Returns:
            Whether a document is on it, ``bool [documents]``.
        """
        weight = self._weight.tolist()
        order = rng.permutation(self._documents).tolist()
        rank = {document: number for number, document in enumerate(order)}
        side: set[int] = set()
        size = 0.0
        gain = {document: -self._links[document].total() for document in order}  # by how much a change shrinks the cut
        heap: list[tuple[int, int, int]] = []
        fresh = iter(order)

        def move(document: int) -> float:
            """Changes the document's side; gives by how much the test side grows."""
            joins = document not in side
            side.symmetric_difference_update((document,))
            gain[document] = -gain[document]
            for other, count in self._links[document].items():
                gain[other] += 2 * count if (other in side) != joins else -2 * count
            return weight[document] if joins else -weight[document]

        # Grow.
        while size < wanted:
            document = heapq.heappop(heap)[2] if heap else next(fresh, None)
            if document is None:
                break
            if document in side or size + weight[document] > wanted * (1 + TOLERANCE):
                continue
            size += move(document)
            for other in self._links[document]:
                if other not in side:
                    heapq.heappush(heap, (-gain[other], rank[other], other))

        # Swap.
        for _ in range(10):
            moved = False
            for document in order:
                change = -weight[document] if document in side else weight[document]
                if gain[document] > 0 and abs(size + change - wanted) <= wanted * TOLERANCE:
                    size += move(document)
                    moved = True
            if not moved:
                break
        return np.isin(np.arange(len(weight)), list(side))


def _kept(labels: np.ndarray, ends: np.ndarray) -> int:
    """How many pairs stay on either side after the classes are levelled: what the cut is chosen for.

    Args:
        labels: ``int32 [pairs]``.
        ends: whether A and B are on the test side, ``bool [pairs, 2]``.
    """
    whole = ends[:, 0] == ends[:, 1]
    counts = np.bincount(2 * ends[whole, 0] + labels[whole], minlength=4).reshape(2, 2)
    return int(2 * counts.min(axis=1).sum())


def _rebalance(labels: np.ndarray, positive_share: float, rng: np.random.Generator) -> np.ndarray:
    """Draws out pairs of the class that has too many, until the classes have their shares again.

    Returns:
        Positions of those that stay, in order.
    """
    groups = [np.flatnonzero(labels == label) for label in (0, 1)]
    shares = (1 - positive_share, positive_share)
    total = min(len(group) / share for group, share in zip(groups, shares, strict=True))
    kept = [rng.permutation(group)[: round(total * share)] for group, share in zip(groups, shares, strict=True)]
    return np.sort(np.concatenate(kept))
