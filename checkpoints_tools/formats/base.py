"""A BERT's weights, whatever format they lie in: under TF1 names, in TF1 shapes, read one by one on request."""

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
"""Element types that a weight may have; the float32 of them is what is used."""
_INTEGERS = ("int32", "int64")
_LISTED = 8
_LONGEST_NAME, _LONGEST_LIST = 80, 240
_OTHERS = (
    (re.compile(r"encoder/transformer/group_\d+/|albert[./]"), "an ALBERT"),
    (re.compile(r"^(electra|discriminator|generator|discriminator_predictions)[./]"), "an ELECTRA"),
    (re.compile(r"^(roberta|lm_head)[./]"), "a RoBERTa"),
    (re.compile(r"^distilbert[./]|transformer\.layer\.\d+\.attention\.q_lin"), "a DistilBERT"),
    (re.compile(r"^deberta[./]|rel_embeddings"), "a DeBERTa"),
)
"""Relatives whose checkpoints look like BERT's and compute something else."""


@dataclasses.dataclass(frozen=True)
class Variable:
    """What is known of a variable without reading it: its TF1 shape and its element type's name."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Weights(Mapping[str, np.ndarray]):
    """Weights on disk: a mapping that reads a variable when it is asked for.

    Attributes:
        path: what errors name: the prefix or the file.
        kind: the format: one of `config.FORMATS`, or ``keras``.
        variables: by TF1 name where the name map knows the variable, by the file's own name where it does not;
            without optimizer slots.
        slots: number of optimizer slots in the file.
        others: variables of TF2 that stand beside the encoder and are neither its own nor a head that we know.
        known: what the format itself says of the architecture, under `BertConfig`'s names.
    """

    path: str
    kind: str
    variables: dict[str, Variable]
    slots: int
    others: list[str]
    known: dict[str, int]

    @abc.abstractmethod
    def _read(self, name: str) -> np.ndarray:
        """The variable in its TF1 shape, whatever its element type."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def __len__(self) -> int:
        return len(self.variables)

    def __contains__(self, name: object) -> bool:  # the mixin's would read the value
        return name in self.variables

    def __getitem__(self, name: str) -> np.ndarray:
        """One variable in its TF1 shape; floating-point values as float32.

        Raises:
            KeyError: there is no such variable.
            InputError: it is of an element type that is no weight's, its data is damaged, cut short, or holds NaN or
                infinity.
        """
        if name not in self.variables:
            raise KeyError(name)
        dtype = self.variables[name].dtype
        if dtype in _INTEGERS and name == name_map.GLOBAL_STEP:
            return self._read(name)
        if dtype not in FLOATS:
            raise InputError(f"{self.path}: {shown(name)} is {shown(dtype)}; weights are {', '.join(FLOATS)}")
        with np.errstate(over="ignore"):  # becomes infinity, which is refused below
            value = self._read(name).astype(np.float32, copy=False)
        if not np.isfinite(value).all():
            raise InputError(f"{self.path}: {shown(name)} holds NaN or infinity; the training that wrote it had failed")
        return value

    @property
    def global_step(self) -> int | None:
        """The training step, where the file holds one.

        Raises:
            InputError: it is not one whole number.
        """
        variable = self.variables.get(name_map.GLOBAL_STEP)
        if variable is None:
            return None
        if variable.shape or variable.dtype not in _INTEGERS:
            what = f"{shown(variable.dtype)} of shape {quoted(list(variable.shape))}"
            raise InputError(f"{self.path}: {name_map.GLOBAL_STEP} is {what}, not one whole number")
        return int(self[name_map.GLOBAL_STEP])

    @property
    def has_pooler(self) -> bool:
        """Whether any part of the pooler is there."""
        return any(row.tf1 in self for row in name_map.POOLER_ROWS)

    def fingerprint(self) -> str:
        """A hash of the encoder's names and values, the same in every format."""
        digest = hashlib.sha256()
        for name in sorted(name for name in self if not name_map.is_ignored(name)):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(self[name]).data)
        return digest.hexdigest()

    def heads(self) -> list[str]:
        """The TF1 names of the variables of heads."""
        return [name for name in self if name_map.is_head(name)]


def check_is_bert(weights: Weights) -> None:
    """Refuses the checkpoints of BERT's relatives, and what is no BERT at all.

    Raises:
        InputError: says what it is.
    """
    for name in weights:
        for pattern, relative in _OTHERS:
            if pattern.search(name):
                raise InputError(
                    f"{weights.path}: {relative}, not a BERT (it holds {shown(name)}); give a BERT's checkpoint"
                )
    if not any(name.startswith("bert/") for name in weights):
        found = listed(sorted(map(shown, weights))) or "nothing"
        raise InputError(f"{weights.path}: not a BERT; it has none of a BERT's variables, but {found}")


def check_fits(weights: Weights, config: BertConfig) -> None:
    """Checks that the weights are exactly those of the encoder that ``config`` describes.

    Heads, optimizer slots and the step may be there too; the pooler may be missing as a whole.

    Raises:
        InputError: lists the missing, unexpected and misshapen variables.
    """
    check_is_bert(weights)
    shapes = {name: variable.shape for name, variable in weights.variables.items()}
    wanted = {entry.tf1: entry.tf1_shape for entry in name_map.entries(config)}
    if not weights.has_pooler:
        for row in name_map.POOLER_ROWS:
            del wanted[row.tf1]
    missing = sorted(wanted.keys() - shapes.keys())
    unexpected = sorted(shown(name) for name in shapes.keys() - wanted.keys() if not name_map.is_ignored(name))
    misshapen = [
        f"{name} is {quoted(list(shapes[name]))} in the checkpoint, {list(wanted[name])} by the config"
        for name in sorted(wanted.keys() & shapes.keys())
        if shapes[name] != wanted[name]
    ]
    dtypes = {name: variable.dtype for name, variable in weights.variables.items() if not name_map.is_ignored(name)}
    no_weights = [f"{shown(name)} is {shown(dtype)}" for name, dtype in dtypes.items() if dtype not in FLOATS]
    problems = [
        f"{len(names)} {kind}: {shortened(listed(names), _LONGEST_LIST)}"
        for kind, names in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("misshapen", misshapen),
            ("of another element type than a weight's", no_weights),
        )
        if names
    ]
    heads = weights.known.get("num_attention_heads", config.num_attention_heads)
    if heads != config.num_attention_heads:
        problems.append(f"{heads} attention heads in the checkpoint, {config.num_attention_heads} by the config")
    if problems:
        raise InputError(f"{weights.path}: the checkpoint does not fit the BERT config; {'; '.join(problems)}")


def shown(name: str) -> str:
    """A name in a file as a message shows it: as it is, unless it is long or has odd characters in it."""
    return name if name.isprintable() and len(name) <= _LONGEST_NAME else quoted(name)


def listed(names: list[str]) -> str:
    """The first names, and how many more there are."""
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
