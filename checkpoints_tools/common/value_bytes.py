"""Values as bytes, without ``pickle``: JSON for what it can hold, and NumPy's ``.npz`` for arrays.

Numbers, strings, lists, dictionaries with strings as keys, arrays, and the dataclasses that both sides know. Reading
them runs nothing, whatever they hold.
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
"""Keys of the JSON objects that stand for what JSON does not have; the last two hold the dictionary or the fields."""


def encode(value: object, classes: Mapping[str, type]) -> bytes:
    """The value as bytes.

    Args:
        value: see above.
        classes: dataclasses by name.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_to_tree(value, {kind: name for name, kind in classes.items()}, arrays)).encode()
    content = io.BytesIO()
    np.savez(content, **{TREE: np.frombuffer(tree, np.uint8)}, **arrays)
    return content.getvalue()


def decode(content: bytes, place: str, classes: Mapping[str, type]) -> Any:  # noqa: ANN401
    """The value of `encode`; ``place`` is the file.

    Raises:
        InputError: the bytes are something else, or damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            tree = parse_json(bytes(file[TREE]).decode(), place)
            return _from_tree(tree, classes, file)
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy's header have many
        raise InputError(f"{place}: damaged ({quoted(str(error))}); call the same again") from None


def _to_tree(value: Any, names: Mapping[type, str], arrays: dict[str, np.ndarray]) -> object:  # noqa: ANN401
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
            if len({item.dtype for item in value}) == 1:  # one array for thousands of short ones
                return {RAGGED: [put(np.concatenate(value)), put(np.array([len(item) for item in value]))]}
        return [_to_tree(item, names, arrays) for item in value]
    if type(value) in names:
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return {CLASS: names[type(value)], **{name: _to_tree(item, names, arrays) for name, item in fields.items()}}
    return value


def _from_tree(tree: Any, classes: Mapping[str, type], arrays: Mapping[str, np.ndarray]) -> Any:  # noqa: ANN401
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
