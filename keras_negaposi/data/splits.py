"""Splits the pairs into train, dev and test parts: pair by pair, or so that no document is in two parts."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
from sklearn.model_selection import train_test_split

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_blocks
from checkpoints_tools.common.schema import read_as
from keras_negaposi.data.adjacency import is_masked, page_of
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.graph_partition import DocumentGraph
from keras_negaposi.data.pairs import Pair, Pairs

STARTS = 8
"""Number of seeded starts of a grouped split; the one that keeps the most pairs is used."""
SPLIT_FIX = "finish the run again with --resume, which writes the file again"


@dataclasses.dataclass(frozen=True)
class Split:
    """The parts of the pairs, and how many pairs were dropped to make them.

    Attributes:
        parts: pairs by part: ``train`` and, if requested, ``test`` and ``dev``.
        crossing: pairs dropped because their documents are in different parts.
        downsampled: pairs dropped after that, to keep the shares of the classes.
    """

    parts: dict[str, Pairs]
    crossing: int = 0
    downsampled: int = 0

    @property
    def held_out(self) -> list[Pair]:
        """Returns the pairs that must not be trained on."""
        return [pair for name in ("test", "dev") for pair in self.parts.get(name, ())]

    def free_titles(self, titles: Iterable[str], method: str, group_pattern: str) -> list[str]:
        """Returns the titles that may be trained on, because no held-out pair contains them.

        In a grouped split, no held-out pair contains their document either. A held-out masked copy excludes its page,
        and masked copies are never returned.
        """
        place = Documents(group_pattern) if method == "grouped" else str
        taken = {place(page_of(title)) for pair in self.held_out for title in (pair.a, pair.b)}
        return [title for title in titles if not is_masked(title) and place(title) not in taken]

    def write(self, path: str) -> None:
        """Writes the parts as JSON, one ``[a, b, label]`` per line."""
        write_blocks(path, (block.encode() for block in self._blocks()))

    def _blocks(self) -> Iterator[str]:
        quoted = functools.cache(json.JSONEncoder(ensure_ascii=False).encode)  # many pairs share a title
        for number, (name, pairs) in enumerate(self.parts.items()):
            yield f"{',' if number else '{'}\n {json.dumps(name)}: ["
            for place, pair in enumerate(pairs):
                yield f"{',' if place else ''}\n  [{quoted(pair.a)}, {quoted(pair.b)}, {pair.label}]"
            yield "\n ]"
        if "test" not in self.parts:
            yield ',\n "test": null'
        yield "\n}\n"

    def describe(self) -> str:
        """Returns one line for the user."""
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.parts.items())
        if not self.crossing and not self.downsampled:
            return sizes
        return (
            f"{sizes}; dropped {self.crossing:,} pairs that cross the split, then {self.downsampled:,} more at random "
            "to keep the class balance of each part"
        )


_Rows = list[tuple[str, str, Literal[0, 1]]]


@dataclasses.dataclass(frozen=True)
class _Saved:
    """The content of ``split.json``; ``test`` is null, but not missing, if there is no test part."""

    train: _Rows
    test: _Rows | None
    dev: _Rows | None = None
    unlabelled: _Rows | None = None


def read_split(path: str) -> dict[str, Pairs]:
    """Reads the parts that `Split.write` wrote.

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
        test_share: fraction of all pairs in the test part; 0 for no test part.
        dev_share: fraction of the remaining pairs in the dev part, for model selection; 0 for no dev part.
        group_pattern: for ``grouped``, a regular expression with one group that finds the document in a title.
        seed: random seed.

    Raises:
        InputError: there are too few pairs, the pattern is invalid, or the documents are so strongly connected that a
            part would lack a class.
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
            raise InputError(
                f"--split {method}: the {name} part contains only one of the two classes; give more pairs or documents"
            )
    return Split(parts, crossing, downsampled)


def _random(pairs: Pairs, share: float, seed: int) -> tuple[Pairs, Pairs]:
    """Splits the pairs at random, with the same share of positives in both parts; returns train, then held-out."""
    try:
        kept, held_out = train_test_split(
            np.arange(len(pairs)), test_size=share, random_state=seed, stratify=pairs.labels
        )
    except ValueError as error:
        raise InputError(f"--split random: {len(pairs)} pairs are too few to split: {error}") from None
    return pairs.take(kept), pairs.take(held_out)


def _grouped(pairs: Pairs, share: float, documents: Documents, seed: int) -> Split:
    """Splits the pairs into ``train`` and ``test``, which share no document."""
    # Number the documents of A and of B, in an order that depends on their names only.
    of_titles = [documents(title) for title in pairs.titles]
    numbers = {name: number for number, name in enumerate(sorted(set(of_titles)))}
    ends = np.array([numbers[name] for name in of_titles])[pairs.rows[:, :2]]

    # Grow a test side from several starts, and take the one that keeps the most pairs.
    graph = DocumentGraph(ends, len(numbers))
    sides = (graph.grow(share * len(pairs), np.random.default_rng([seed, start])) for start in range(STARTS))
    best = max(sides, key=lambda side: _kept(pairs.labels, side[ends]))

    # Drop the pairs that cross the split, then pairs of the class that a part has too many of.
    parts = {"train": np.flatnonzero(~best[ends].any(axis=1)), "test": np.flatnonzero(best[ends].all(axis=1))}
    uncrossed = sum(map(len, parts.values()))
    for number, (name, part) in enumerate(parts.items()):
        keep = _rebalance(pairs.labels[part], pairs.labels.mean(), np.random.default_rng([seed, number]))
        parts[name] = part[keep]
    kept = sum(map(len, parts.values()))
    return Split({name: pairs.take(part) for name, part in parts.items()}, len(pairs) - uncrossed, uncrossed - kept)


def _kept(labels: np.ndarray, ends: np.ndarray) -> int:
    """Returns how many pairs would remain on both sides with as many negatives as positives; a split maximises this.

    Args:
        labels: ``int32 [pairs]``.
        ends: whether A and B are on the test side, ``bool [pairs, 2]``.
    """
    whole = ends[:, 0] == ends[:, 1]
    counts = np.bincount(2 * ends[whole, 0] + labels[whole], minlength=4).reshape(2, 2)
    return int(2 * counts.min(axis=1).sum())


def _rebalance(labels: np.ndarray, positive_share: float, rng: np.random.Generator) -> np.ndarray:
    """Drops random pairs of the class that has too many, so that the positives have the given share again.

    Returns:
        Positions of the remaining pairs, in order.
    """
    groups = [np.flatnonzero(labels == label) for label in (0, 1)]
    shares = (1 - positive_share, positive_share)
    total = min(len(group) / share for group, share in zip(groups, shares, strict=True))
    kept = [rng.permutation(group)[: round(total * share)] for group, share in zip(groups, shares, strict=True)]
    return np.sort(np.concatenate(kept))
