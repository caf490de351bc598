"""Gives access to the weights of any format by TF1 name, in TF1 shapes; variables are read one by one on request."""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import math
import re
from collections.abc import Iterator, Mapping

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError, quoted, shortened

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""Element types that weights may have; they are converted to float32."""
_INTEGERS = ("int32", "int64")
_LISTED = 8
_LONGEST_NAME, _LONGEST_REASON, _LONGEST_LIST = 80, 200, 240
_OTHER_MODELS = (
    (re.compile(r"encoder/transformer/group_\d+/|albert[./]"), "an ALBERT"),
    (re.compile(r"^(electra|discriminator|generator|discriminator_predictions)[./]"), "an ELECTRA"),
    (re.compile(r"^(roberta|lm_head)[./]"), "a RoBERTa"),
    (re.compile(r"^distilbert[./]|transformer\.layer\.\d+\.attention\.q_lin"), "a DistilBERT"),
    (re.compile(r"^deberta[./]|rel_embeddings"), "a DeBERTa"),
)
"""Other models whose checkpoints resemble BERT's, with a pattern that only their variable names match."""


@dataclasses.dataclass(frozen=True)
class Variable:
    """The TF1 shape of a variable and the name of its element type, known without reading its values."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


class Weights(Mapping[str, np.ndarray]):
    """Weights on disk: a mapping from name to array that reads each variable on access.

    Attributes:
        path: the prefix or file, for error messages.
        kind: the format: one of `bert_config.FORMATS`, or ``keras``.
        variables: shape and type by TF1 name, or by the file's own name if the name map does not have the variable;
            optimizer slots are not included.
        slots: number of optimizer slots in the file.
        others: names of TF2 variables that belong neither to the encoder nor to a known output head.
        known: the fields of `BertConfig` that the format itself determines.
    """

    path: str
    kind: str
    variables: dict[str, Variable]
    slots: int
    others: list[str]
    known: dict[str, int]

    @abc.abstractmethod
    def _read(self, name: str) -> np.ndarray:
        """Reads a variable in its TF1 shape and its own element type."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __contains__(self, name: object) -> bool:  # Mapping's own method would read the value
        return name in self.variables

    def __getitem__(self, name: str) -> np.ndarray:
        """Reads a variable in its TF1 shape, as float32; only the step is an integer.

        Raises:
            KeyError: there is no such variable.
            InputError: its element type is not one of `FLOATS`, or its data is damaged, truncated, NaN or infinite.
        """
        if name not in self.variables:
            raise KeyError(name)
        dtype = self.variables[name].dtype
        if dtype in _INTEGERS and name == name_map.GLOBAL_STEP:
            return self._read(name)
        if dtype not in FLOATS:
            raise InputError(f"{self.path}: {shown(name)} is {shown(dtype)}; weights must be {', '.join(FLOATS)}")
        with np.errstate(over="ignore"):  # the infinity is rejected below
            return self._finite(name, self._read(name).astype(np.float32, copy=False))

    def _finite(self, name: str, value: np.ndarray) -> np.ndarray:
        """Returns the value of a variable.

        Raises:
            InputError: it is NaN or infinite.
        """
        if not np.isfinite(value).all():
            raise InputError(f"{self.path}: {shown(name)} holds NaN or infinity; give an earlier checkpoint")
        return value

    @property
    def global_step(self) -> int | None:
        """The training step; ``None`` if the file has none.

        Raises:
            InputError: it is not a single integer.
        """
        variable = self.variables.get(name_map.GLOBAL_STEP)
        if variable is None:
            return None
        if variable.shape or variable.dtype not in _INTEGERS:
            what = f"{shown(variable.dtype)} of shape {quoted(list(variable.shape))}"
            raise InputError(f"{self.path}: {name_map.GLOBAL_STEP} is {what}, not a single integer")
        return int(self[name_map.GLOBAL_STEP])

    @property
    def has_pooler(self) -> bool:
        """Whether the checkpoint has at least one variable of the pooler."""
        return any(row.tf1 in self for row in name_map.POOLER_ROWS)

    def fingerprint(self) -> str:
        """Returns a hash of the encoder's names and values; it does not depend on the format."""
        digest = hashlib.sha256()
        for name in sorted(name for name in self if not name_map.is_ignored(name)):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self[name]).data)
        return digest.hexdigest()

    def heads(self) -> list[str]:
        """Returns the TF1 names of the output heads' variables."""
        return [name for name in self if name_map.is_head(name)]


def check_is_bert(weights: Weights) -> None:
    """Checks that the variables are those of a BERT and not of a related model such as ALBERT.

    Raises:
        InputError: they are not; the message names the model if it is known.
    """
    for name in weights:
        for pattern, model in _OTHER_MODELS:
            if pattern.search(name):
                raise InputError(
                    f"{weights.path}: {model}, not a BERT (it holds {shown(name)}); give a BERT checkpoint"
                )
    if not any(name.startswith("bert/") for name in weights):
        found = listed(sorted(map(shown, weights))) or "nothing"
        raise InputError(f"{weights.path}: not a BERT; it has no variables of a BERT, but {found}")


def check_fits(weights: Weights, config: BertConfig) -> None:
    """Checks that the weights are exactly those of the encoder that ``config`` describes.

    Output heads, optimizer slots and the step are allowed in addition; the pooler may be missing as a whole.

    Raises:
        InputError: they are not; the message lists the missing variables, the unexpected ones and those with another
            shape or element type.
    """
    check_is_bert(weights)
    # Compare names and shapes with those that the config requires.
    shapes = {name: variable.shape for name, variable in weights.variables.items()}
    wanted = {entry.tf1: entry.tf1_shape for entry in name_map.entries(config)}
    if not weights.has_pooler:
        for row in name_map.POOLER_ROWS:
            del wanted[row.tf1]
    missing = sorted(wanted.keys() - shapes.keys())
    unexpected = sorted(shown(name) for name in shapes.keys() - wanted.keys() if not name_map.is_ignored(name))
    other_shapes = [
        f"{name} is {quoted(list(shapes[name]))} in the checkpoint, {list(wanted[name])} in the config"
        for name in sorted(wanted.keys() & shapes.keys())
        if shapes[name] != wanted[name]
    ]
    dtypes = {name: variable.dtype for name, variable in weights.variables.items() if not name_map.is_ignored(name)}
    other_types = [f"{shown(name)} is {shown(dtype)}" for name, dtype in dtypes.items() if dtype not in FLOATS]
    # Describe each kind of mismatch, with the first names.
    problems = [
        f"{len(names)} {kind}: {shortened(listed(names), _LONGEST_LIST)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("with another shape", other_shapes),
            ("with an unsupported element type", other_types),
        )
        if names
    ]
    heads = weights.known.get("num_attention_heads", config.num_attention_heads)
    if heads != config.num_attention_heads:
        problems.append(f"{heads} attention heads in the checkpoint, {config.num_attention_heads} in the config")
    if problems:
        raise InputError(f"{weights.path}: the checkpoint does not match the BERT config; {'; '.join(problems)}")


def shown(name: str) -> str:
    """Returns a name for a message; long names are shortened and names with control characters are quoted."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else quoted(name)


def reason_of(error: Exception) -> str:
    """Returns the text of another library's error as one short line."""
    return shortened(" ".join(str(error).split()), _LONGEST_REASON)


def listed(names: list[str]) -> str:
    """Returns the first names, and how many more there are."""
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
