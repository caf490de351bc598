"""The rows of a file like ``negaposi.json``, read one at a time, whichever of its three shapes it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.json_stream import check_json, first_character, stream_items, stream_kinds

KINDS = {dict: "object", list: "list", str: "string", bool: "truth value", type(None): "null"}
CLASSES = {"posi": 1, "nega": 0}


class Row(NamedTuple):
    """What stands for A, B and the label, whatever it is, and where."""

    place: str
    a: object
    b: object
    label: object


def read_rows(path: str) -> Iterator[Row]:
    """Yields the rows; titles and labels are not looked at.

    Args:
        path: of a list of ``[a, b, label]``, a list of ``{"a", "b", "label"}``, or
            ``{"posi": [[a, b], ...], "nega": [[a, b], ...]}``.

    Raises:
        InputError: it is not such a file; the message names the place.
    """
    read = {"[": _listed, "{": _by_class}.get(first_character(path))
    if read is None:
        raise InputError(f"{path}: must be a list of pairs, not a {kind(check_json(path))}")
    try:
        yield from read(path)
    except InputError:
        check_json(path)  # says at which line and column it is not JSON, where that is what is wrong
        raise


def kind(value: object) -> str:
    """JSON's name for what a value is."""
    return KINDS.get(type(value), "number")


def _listed(path: str) -> Iterator[Row]:
    for number, item in enumerate(stream_items(path, "item", may_be_empty=True), 1):
        place = f"{path}: pair {number}"
        if isinstance(item, list) and len(item) == 3:
            yield Row(place, *item)
        elif isinstance(item, dict) and item.keys() == {"a", "b", "label"}:
            yield Row(place, item["a"], item["b"], item["label"])
        else:
            raise InputError(f'{place}: must be [a, b, label] or {{"a", "b", "label"}}, not {quoted(item)}')


def _by_class(path: str) -> Iterator[Row]:
    for key, begin in stream_kinds(path):
        if key not in CLASSES:
            raise InputError(f'{path}: unknown key {quoted(key)}; an object of pairs has "posi" and "nega" only')
        if begin != "start_array":
            raise InputError(f'{path}: "{key}" must be a list of [a, b]')
    for key, label in CLASSES.items():
        for number, item in enumerate(stream_items(path, f"{key}.item", may_be_empty=True), 1):
            place = f'{path}: pair {number} of "{key}"'
            if not isinstance(item, list) or len(item) != 2:
                raise InputError(f"{place}: must be [a, b], not {quoted(item)}")
            yield Row(place, *item, label)
