"""Reads and writes Hugging Face BERTs: ``config.json`` and ``model.safetensors``, in one file or in shards.

Where there are no safetensors, ``pytorch_model.bin`` is read (`torch_file`). The encoder's variables have the names of
``BertModel``; in a BERT with an output head, ``bert.`` precedes them. Safetensors require the extra ``huggingface``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import join, read_json
from checkpoints_tools.formats.base import Variable, Weights, reason_of, shown
from checkpoints_tools.formats.torch_file import TorchFile

if TYPE_CHECKING:
    from types import ModuleType

FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
NAMES = (INDEX, FILE, "pytorch_model.bin.index.json", "pytorch_model.bin")
"""Files of weights; the first that a folder has is read."""
_TORCH = ".bin"
_SCOPE = "bert."
_ALL_ROWS: tuple[name_map.Row | name_map.HeadRow, ...] = (*name_map.ENCODER_ROWS, *name_map.HEAD_ROWS)
_BY_HUGGINGFACE = {row.huggingface: row for row in _ALL_ROWS}
_BY_TF1 = {row.tf1: row for row in _ALL_ROWS}
_OLD_LAYER_NORM = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
_NOT_LEARNED = (
    "embeddings.position_ids",
    "embeddings.token_type_ids",
    "cls.predictions.decoder.weight",
    "cls.predictions.decoder.bias",
)
"""Constants, and second names of the word embeddings and of the output bias; they are not read."""
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}
"""Element types by the names of safetensors. `base.FLOATS` lists those that weights may have."""


class HuggingFaceWeights(Weights):
    """The weights in a folder or in one file.

    Args:
        path: the folder or file.

    Raises:
        InputError: a file is missing or damaged, or safetensors is not installed.
    """

    def __init__(self, path: str) -> None:
        self.path, self.kind, self.slots, self.others, self.known = path, "huggingface", 0, [], {}
        self._places: dict[str, tuple[str, str]] = {}
        self._files = {file: _open(file) for file in _files(path)}  # opened once: opening a file parses all its names
        found: dict[str, Variable] = {}
        for file, tensors in self._files.items():
            for own, variable in tensors.variables.items():
                name, transposed = _tf1_name(own)
                if name is None:
                    continue
                if name in found:
                    raise InputError(
                        f"{path}: two tensors {shown(own)}; remove one of {self._places[name][0]} and {file}"
                    )
                shape = variable.shape
                found[name] = Variable(shape[::-1] if transposed else shape, variable.dtype)
                self._places[name] = (file, own)
        self.variables = dict(sorted(found.items()))

    def _read(self, name: str) -> np.ndarray:
        file, own = self._places[name]
        value = self._files[file].read(own)
        return value.T if _tf1_name(own)[1] else value


def write_huggingface(path: str, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes a safetensors file.

    Args:
        path: the file.
        arrays: the values by TF1 name. If they include an output head, the encoder's names get the prefix ``bert.``.

    Returns:
        The name of Hugging Face's class for these weights.
    """
    _safetensors()
    from safetensors.numpy import save_file

    heads = [name for name in arrays if name_map.is_head(name)]
    scope = _SCOPE if heads else ""
    save_file(dict(_to_huggingface(name, arrays[name], scope) for name in arrays), path, {"format": "pt"})
    if not heads:
        return "BertModel"
    return "BertForSequenceClassification" if "output_weights" in heads else "BertForPreTraining"


def _to_huggingface(name: str, value: np.ndarray, scope: str) -> tuple[str, np.ndarray]:
    """Returns the name and the value that Hugging Face has for a TF1 variable."""
    form, layer = name_map.split_layer(name)
    row = _BY_TF1[form]
    torch_name = row.huggingface.format(layer=layer)
    in_head = isinstance(row, name_map.HeadRow)
    return torch_name if in_head else scope + torch_name, np.ascontiguousarray(value.T if row.transposed else value)


def _tf1_name(own: str) -> tuple[str | None, bool]:
    """Returns the TF1 name, ``None`` for `_NOT_LEARNED`, and whether the value is transposed."""
    name = own.removeprefix(_SCOPE)
    for old, new in _OLD_LAYER_NORM.items():
        name = name.replace(old, new)
    if name in _NOT_LEARNED:
        return None, False
    form, layer = name_map.split_layer(name)
    row = _BY_HUGGINGFACE.get(form)
    return (row.tf1.format(layer=layer), row.transposed) if row else (own, False)


def _files(path: str) -> list[str]:
    """Returns the files of a folder's weights, or ``path`` itself if it is not a folder.

    The index is not trusted: it may name only files in the same folder.

    Raises:
        InputError: the index is damaged, names a file elsewhere, or a shard is missing.
    """
    if not os.path.isdir(path):
        return [path]
    name = next((name for name in NAMES if os.path.exists(join(path, name))), FILE)
    index = join(path, name)
    if not index.endswith(".json"):
        return [index]
    content = read_json(index)
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(f"{index}: weight_map is missing or empty; copy the file again")
    for name in weight_map.values():
        if not isinstance(name, str) or os.path.basename(name) != name or name in ("", ".", ".."):
            raise InputError(f"{index}: weight_map names {quoted(name)}; a shard is a file in the same folder")
    names = sorted(set(weight_map.values()))
    for name in names:
        if not os.path.exists(join(path, name)):
            raise InputError(
                f"{join(path, shown(name))}: the shard that {os.path.basename(index)} names is missing; copy it next "
                "to the others"
            )
    return [join(path, name) for name in names]


class _TensorFile(Protocol):
    """A file of tensors: `_Safetensors` or `TorchFile`."""

    @property
    def variables(self) -> dict[str, Variable]:
        """Shape and element type by the file's own names."""

    def read(self, name: str) -> np.ndarray:
        """Returns a tensor; raises an `InputError` if its numbers are missing or damaged."""


class _Safetensors:
    """A safetensors file."""

    def __init__(self, path: str) -> None:
        self._path, self._module = path, _safetensors()
        try:
            self._file = self._module.safe_open(path, framework="numpy")
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; give a Hugging Face folder with safetensors in it") from None
        except (self._module.SafetensorError, OSError, ValueError) as error:  # OSError: for example a folder
            raise InputError(f"{path}: not a readable safetensors file; copy it again: {reason_of(error)}") from None

    @property
    def variables(self) -> dict[str, Variable]:
        parts = {name: self._file.get_slice(name) for name in self._file.keys()}  # noqa: SIM118 - not a dict
        types = {name: part.get_dtype() for name, part in parts.items()}
        return {
            name: Variable(tuple(part.get_shape()), _DTYPES.get(types[name], types[name]))
            for name, part in parts.items()
        }

    def read(self, name: str) -> np.ndarray:
        try:
            return self._file.get_tensor(name)
        except (self._module.SafetensorError, OSError, TypeError, ValueError) as error:
            raise InputError(f"{self._path}: {shown(name)} cannot be read; copy it again: {reason_of(error)}") from None


def _open(file: str) -> _TensorFile:
    """Opens a file of tensors."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise InputError(f"{file}: not a file; give a Hugging Face folder with safetensors in it")
    return TorchFile(file) if file.endswith(_TORCH) else _Safetensors(file)


def _safetensors() -> ModuleType:
    """Imports the optional dependency."""
    try:
        import safetensors
    except ModuleNotFoundError:
        raise InputError(
            "Hugging Face folders require the package safetensors; pip install 'keras-negaposi[huggingface]'"
        ) from None
    return safetensors
