"""The user's two files: ``honbun_data.json`` (title -> text) and ``negaposi.json`` (labelled pairs of titles)."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import read_json

LABELS = {0: 0, 1: 1, "0": 0, "1": 1}
"""What counts as a label; JSON's true and false equal 1 and 0 as keys."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Titles of A and B, and 1 where B comes next after A, else 0."""

    a: str
    b: str
    label: int


@dataclasses.dataclass(frozen=True)
class PairData:
    """Texts by title, labelled pairs without repeats, and what was counted on the way."""

    texts: dict[str, str]
    pairs: list[Pair]
    repeated: int
    empty: int

    @property
    def class_counts(self) -> tuple[int, int]:
        """How many pairs are negative, and how many positive."""
        positive = sum(pair.label for pair in self.pairs)
        return len(self.pairs) - positive, positive

    def describe(self) -> str:
        """One line for the user."""
        negative, positive = self.class_counts
        return (
            f"{len(self.texts):,} texts, {len(self.pairs):,} pairs ({positive:,} positive, {negative:,} negative); "
            f"{self.repeated:,} repeated pairs dropped, {self.empty:,} of the texts used are empty"
        )


def read_pairs(honbun: str, negaposi: str) -> PairData:
    """Reads and checks both files.

    Args:
        honbun: path of the JSON object title -> text.
        negaposi: path of a list of ``[a, b, label]``, a list of ``{"a", "b", "label"}``, or
            ``{"posi": [[a, b], ...], "nega": [[a, b], ...]}``.

    Raises:
        InputError: a file is not what it should be; the message names the file and the place.
    """
    texts = read_texts(honbun)
    labels: dict[tuple[str, str], int] = {}
    repeated = 0
    for place, a, b, raw_label in _rows(read_json(negaposi), negaposi):
        for title in (a, b):
            if not isinstance(title, str):
                raise InputError(f"{place}: a title must be a string, not {title!r}")
            if title not in texts:
                raise InputError(f'{place}: the title "{title}" has no text in {honbun}; add it there or drop the pair')
        label = parse_label(raw_label, place)
        if (a, b) in labels:
            if labels[a, b] != label:
                raise InputError(f'{place}: the pair ("{a}", "{b}") has both labels in this file; keep one')
            repeated += 1
        labels[a, b] = label
    if not labels:
        raise InputError(f"{negaposi}: no pairs in it; add labelled pairs of titles")
    counts = Counter(labels.values())
    if len(counts) == 1:
        (only,) = counts
        raise InputError(f"{negaposi}: every label is {only}; a classifier needs pairs of both classes")
    used = {title for pair in labels for title in pair}
    empty = sum(not texts[title].strip() for title in used)
    return PairData(texts, [Pair(a, b, label) for (a, b), label in labels.items()], repeated, empty)


def read_links(path: str) -> set[tuple[str, str]]:
    """The titles (A, B) of the positive pairs in a file like ``negaposi``; of one class alone, too.

    Raises:
        InputError: as `read_pairs`.
    """
    rows = _rows(read_json(path), path)
    return {(str(a), str(b)) for place, a, b, label in rows if parse_label(label, place)}


def read_texts(path: str) -> dict[str, str]:
    """Reads title -> text.

    Raises:
        InputError: not an object of strings, empty, or a text that UTF-8 cannot hold.
    """
    texts = read_json(path)
    if not isinstance(texts, dict):
        raise InputError(f"{path}: must be one JSON object of title: text, not a {_kind(texts)}")
    if not texts:
        raise InputError(f"{path}: no texts in it; add title: text entries")
    for title, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f'{path}: the text of "{title}" must be a string, not a {_kind(text)}')
        check_text(text, f'{path}: the text of "{title}"')
    return texts


def check_text(text: str, place: str) -> None:
    r"""Refuses lone surrogates (``"\ud800"`` in JSON), which are no text and cannot be tokenized.

    Raises:
        InputError: names ``place`` and the character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: character {error.start + 1} is half a surrogate pair; remove it") from None


def parse_label(raw: object, place: str) -> int:
    """0 or 1 from a JSON value.

    Raises:
        InputError: it is no label.
    """
    if isinstance(raw, (int, str)) and raw in LABELS:
        return LABELS[raw]
    raise InputError(f"{place}: the label {raw!r} is not one; use 1 (B comes next) or 0")


def _rows(value: object, path: str) -> Iterator[tuple[str, object, object, object]]:
    """Yields (place, a, b, label) from any of the three shapes."""
    if isinstance(value, dict):
        if not value.keys() <= {"posi", "nega"}:
            extra = next(key for key in value if key not in ("posi", "nega"))
            raise InputError(f'{path}: unknown key "{extra}"; an object of pairs has "posi" and "nega" only')
        for key, label in (("posi", 1), ("nega", 0)):
            items = value.get(key, [])
            if not isinstance(items, list):
                raise InputError(f'{path}: "{key}" must be a list of [a, b], not a {_kind(items)}')
            for number, item in enumerate(items, 1):
                place = f'{path}: pair {number} of "{key}"'
                if not isinstance(item, list) or len(item) != 2:
                    raise InputError(f"{place}: must be [a, b], not {_cut(item)}")
                yield place, item[0], item[1], label
        return
    if not isinstance(value, list):
        raise InputError(f"{path}: must be a list of pairs, not a {_kind(value)}")
    for number, item in enumerate(value, 1):
        place = f"{path}: pair {number}"
        if isinstance(item, list) and len(item) == 3:
            yield place, *item
        elif isinstance(item, dict) and item.keys() == {"a", "b", "label"}:
            yield place, item["a"], item["b"], item["label"]
        else:
            raise InputError(f'{place}: must be [a, b, label] or {{"a", "b", "label"}}, not {_cut(item)}')


def _kind(value: object) -> str:
    names = {dict: "object", list: "list", str: "string", bool: "truth value", type(None): "null"}
    return names.get(type(value), "number")


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
