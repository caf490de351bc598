"""Reads the rows of a file like ``negaposi.json``, in any of its three shapes, one row at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.json_stream import check_json, first_character, stream_items, stream_kinds

KINDS = {dict: "object", list: "list", str: "string", bool: "truth value", type(None): "null"}
CLASSES = {"posi": 1, "nega": 0}


class Row(NamedTuple):
    """The unchecked values of A, B and the label, and their place in the file."""

    place: str
    a: object
    b: object
    label: object


def read_rows(path: str) -> Iterator[Row]:
    """Yields the rows without checking titles and labels.

    Args:
        path: path of a list of ``[a, b, label]``, a list of ``{"a", "b", "label"}``, or
            ``{"posi": [[a, b], ...], "nega": [[a, b], ...]}``.

    Raises:
        InputError: the file has none of these shapes; the message names the place.
    """
    read = {"[": _listed, "{": _by_class}.get(first_character(path))
    if read is None:
        raise InputError(f"{path}: must be a list of pairs, not a {kind(check_json(path))}")
    try:
        yield from read(path)
    except InputError:
        check_json(path)  # if the file is not JSON, reports the line and column instead
        raise


def kind(value: object) -> str:
    """Returns JSON's name for the type of a value."""
    return KINDS.get(type(value), "number")


def _listed(path: str) -> Iterator[Row]:
    for number, item in enumerate(stream_items(path, "item", may_be_empty=True), 1):
        place = f"{path}: pair {number}"
        if isinstance(item, list) and len(item) == 3:
            yield Row(place, item[0], item[1], item[2])
        elif isinstance(item, dict) and item.keys() == {"a", "b", "label"}:
            yield Row(place, item["a"], item["b"], item["label"])
        else:
            raise InputError(f'{place}: must be [a, b, label] or {{"a", "b", "label"}}, not {quoted(item)}')


def _by_class(path: str) -> Iterator[Row]:
    for key, begin in stream_kinds(path):
        if key not in CLASSES:
            raise InputError(f'{path}: unknown key {quoted(key)}; an object of pairs may only have "posi" and "nega"')
        if begin != "start_array":
            raise InputError(f'{path}: "{key}" must be a list of [a, b]')
    for key, label in CLASSES.items():
        for number, item in enumerate(stream_items(path, f"{key}.item", may_be_empty=True), 1):
            place = f'{path}: pair {number} of "{key}"'
            if not isinstance(item, list) or len(item) != 2:
                raise InputError(f"{place}: must be [a, b], not {quoted(item)}")
            yield Row(place, item[0], item[1], label)
