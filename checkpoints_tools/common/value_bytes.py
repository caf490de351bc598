"""Serialises values to bytes: JSON with the arrays in NumPy's ``.npz``.

It supports numbers, strings, lists, dictionaries with string keys, arrays, and dataclasses that both sides know.
``pickle`` would run code from the bytes; msgspec and safetensors do not support nested values with arrays.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.json_text import parse_json

TREE = "tree"
ARRAY, RAGGED, DICT, CLASS = "array", "ragged", "dict", "class"
"""Keys of the JSON objects that represent arrays, lists of arrays, dictionaries and dataclasses."""


def encode(value: object, classes: Mapping[str, type]) -> bytes:
    """Serialises a value.

    Args:
        value: a value of the supported types.
        classes: dataclasses by name.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_to_tree(value, {kind: name for name, kind in classes.items()}, arrays)).encode()
    members: dict[str, Any] = {TREE: np.frombuffer(tree, np.uint8), **arrays}
    content = io.BytesIO()
    np.savez(content, **members)
    return content.getvalue()


def decode(content: bytes, place: str, classes: Mapping[str, type]) -> Any:  # noqa: ANN401
    """Deserialises the bytes of `encode`; ``place`` is the file, for the message.

    Raises:
        InputError: the bytes are damaged, or not from `encode`.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            tree = parse_json(bytes(file[TREE]).decode(), place)
            return _from_tree(tree, classes, file)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds
        raise InputError(f"{place}: damaged ({quoted(str(error))}); run the same command again") from None


def _to_tree(value: Any, names: Mapping[type, str], arrays: dict[str, np.ndarray]) -> object:  # noqa: ANN401
    """Converts a value to JSON types, and adds its arrays to ``arrays``."""

    def put(array: np.ndarray) -> str:
        name = str(len(arrays))
        arrays[name] = array
        return name

    if isinstance(value, np.ndarray):
        return {ARRAY: put(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {DICT: {key: _to_tree(item, names, arrays) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, np.ndarray) and item.ndim == 1 for item in value):
            if len({item.dtype for item in value}) == 1:  # join thousands of short arrays into one
                return {RAGGED: [put(np.concatenate(value)), put(np.array([len(item) for item in value]))]}
        return [_to_tree(item, names, arrays) for item in value]
    if type(value) in names:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {CLASS: names[type(value)], **{name: _to_tree(item, names, arrays) for name, item in fields.items()}}
    return value


def _from_tree(tree: Any, classes: Mapping[str, type], arrays: Mapping[str, np.ndarray]) -> Any:  # noqa: ANN401
    """Converts the tree of `_to_tree` back to the value."""
    if isinstance(tree, list):
        return [_from_tree(item, classes, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if ARRAY in tree:
        return arrays[tree[ARRAY]]
    if RAGGED in tree:
        joined, sizes = (arrays[name] for name in tree[RAGGED])
        return np.split(joined, np.cumsum(sizes)[:-1])
    if DICT in tree:
        return {key: _from_tree(item, classes, arrays) for key, item in tree[DICT].items()}
    fields = {name: _from_tree(item, classes, arrays) for name, item in tree.items() if name != CLASS}
    return classes[tree[CLASS]](**fields)
