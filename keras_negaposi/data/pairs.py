"""The user's two files: ``honbun_data.json`` (title -> text) and ``negaposi.json`` (labelled pairs of titles)."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.pair_files import read_rows
from keras_negaposi.data.texts import read_texts

LABELS = {0: 0, 1: 1, "0": 0, "1": 1}
"""Accepted labels; JSON's true and false equal 1 and 0 as keys."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Titles of A and B, and the label: 1 if B comes next after A, else 0."""

    a: str
    b: str
    label: int


class Pairs(Sequence[Pair]):
    """A sequence of pairs that takes 12 bytes per pair, so that millions fit into memory.

    Args:
        titles: each title once; some may be in no pair.
        rows: indices of the titles of A and B, and the label, ``int32 [pairs, 3]``.
    """

    BLOCK = 4096

    def __init__(self, titles: Sequence[str], rows: np.ndarray) -> None:
        self.titles = titles
        self.rows = rows

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Pairs:
        """Converts pairs; returns `Pairs` unchanged."""
        if isinstance(pairs, Pairs):
            return pairs
        numbers: dict[str, int] = {}
        rows = array("i")
        for pair in pairs:
            a, b = (numbers.setdefault(title, len(numbers)) for title in (pair.a, pair.b))
            rows.extend((a, b, pair.label))
        return cls(list(numbers), np.array(rows, np.int32).reshape(-1, 3))

    @property
    def labels(self) -> np.ndarray:
        """Returns the labels, ``int32 [pairs]``."""
        return self.rows[:, 2]

    def take(self, numbers: np.ndarray) -> Pairs:
        """Returns the pairs at the given positions, ``int [positions]``."""
        return Pairs(self.titles, self.rows[numbers])

    def used_titles(self) -> list[str]:
        """Returns the titles that are in a pair, in the order of `titles`."""
        return [self.titles[number] for number in np.unique(self.rows[:, :2])]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Pair: ...
    @overload
    def __getitem__(self, place: slice) -> Pairs: ...
    def __getitem__(self, place: int | slice) -> Pair | Pairs:
        if isinstance(place, slice):
            return Pairs(self.titles, self.rows[place])
        a, b, label = self.rows[place].tolist()
        return Pair(self.titles[a], self.titles[b], label)

    def __iter__(self) -> Iterator[Pair]:
        for start in range(0, len(self), self.BLOCK):
            for a, b, label in self.rows[start : start + self.BLOCK].tolist():
                yield Pair(self.titles[a], self.titles[b], label)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))


@dataclasses.dataclass(frozen=True)
class PairData:
    """The texts and the labelled pairs of the user's files.

    Attributes:
        texts: title -> text.
        pairs: each pair once.
        repeated: number of repeated pairs that were dropped.
    """

    texts: dict[str, str]
    pairs: Pairs
    repeated: int

    @property
    def empty(self) -> int:
        """Returns how many of the texts that are in a pair are empty or white space."""
        return sum(not self.texts[title].strip() for title in self.pairs.used_titles())

    @property
    def class_counts(self) -> tuple[int, int]:
        """Returns the number of negative and of positive pairs."""
        positive = int(self.pairs.labels.sum())
        return len(self.pairs) - positive, positive

    def check_classes(self, place: str) -> None:
        """Checks that there are pairs of both classes.

        Args:
            place: names the pairs in error messages.

        Raises:
            InputError: there are no pairs, or all have the same label.
        """
        labels = set(self.pairs.labels.tolist())
        if not labels:
            raise InputError(f"{place}: contains no pairs; add labelled pairs")
        if len(labels) == 1:
            raise InputError(f"{place}: every label is {labels.pop()}; a classifier needs pairs of both classes")

    def describe(self) -> str:
        """Returns one line for the user."""
        negative, positive = self.class_counts
        return (
            f"{len(self.texts):,} texts, {len(self.pairs):,} pairs ({positive:,} positive, {negative:,} negative); "
            f"{self.repeated:,} repeated pairs dropped, {self.empty:,} of the texts used are empty"
        )


def read_pairs(honbun: str, negaposi: str) -> PairData:
    """Reads and checks both files.

    Args:
        honbun: path of a JSON object title -> text.
        negaposi: path of a list of ``[a, b, label]``, a list of ``{"a", "b", "label"}``, or
            ``{"posi": [[a, b], ...], "nega": [[a, b], ...]}``.

    Raises:
        InputError: a file is invalid; the message names the file and the place.
    """
    texts = read_texts(honbun)
    titles = list(texts)
    numbers = {title: number for number, title in enumerate(titles)}
    values = array("i")
    for place, *ends, raw_label in read_rows(negaposi):
        for title in ends:
            number = numbers.get(_title(title, place))
            if number is None:
                raise InputError(f"{place}: the title {quoted(title)} has no text in {honbun}; add it or drop the pair")
            values.append(number)
        values.append(parse_label(raw_label, place))
    rows = np.array(values, np.int32).reshape(-1, 3)
    _, first, same = np.unique(rows[:, 0] * np.int64(len(titles)) + rows[:, 1], return_index=True, return_inverse=True)
    torn = np.flatnonzero(rows[:, 2] != rows[first[same], 2])
    if len(torn):
        place, a, b, _ = next(islice(read_rows(negaposi), int(torn[0]), None))
        raise InputError(f"{place}: the pair ({quoted(a)}, {quoted(b)}) has both labels in this file; keep one")
    pairs = Pairs(titles, rows[np.sort(first)])
    data = PairData(texts, pairs, len(rows) - len(pairs))
    data.check_classes(negaposi)
    return data


def read_links(path: str) -> set[tuple[str, str]]:
    """Reads the titles (A, B) of the positive pairs in a file like ``negaposi.json``, which may have one class only.

    Raises:
        InputError: as `read_pairs`.
    """
    links = set()
    for place, a, b, label in read_rows(path):
        if parse_label(label, place):
            links.add((_title(a, place), _title(b, place)))
    return links


def _title(raw: object, place: str) -> str:
    if not isinstance(raw, str):
        raise InputError(f"{place}: a title must be a string, not {quoted(raw)}")
    return raw


def parse_label(raw: object, place: str) -> int:
    """Converts a JSON value to the label 0 or 1.

    Raises:
        InputError: the value is not a label.
    """
    if isinstance(raw, (int, str)) and raw in LABELS:
        return LABELS[raw]
    raise InputError(
        f"{place}: the label {quoted(raw)} is invalid; use 1 (B comes next) or 0, since graded labels and more than "
        "two classes are not supported"
    )
