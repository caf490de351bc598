"""Reports what a checkpoint holds, and whether it matches its config and vocabulary."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.formats.base import FLOATS, Weights, check_fits, check_is_bert, listed, shown
from checkpoints_tools.formats.tokenizer_files import read_vocabulary
from checkpoints_tools.source import find_config, infer_config, infer_values, open_weights

_NAMES = {
    "tf1": "TF1, by name",
    "tf2": "TF2, object-based",
    "keras": "Keras weights",
    "huggingface": "Hugging Face, safetensors",
}
_LARGEST = 5


@dataclasses.dataclass(frozen=True)
class Inspection:
    """The result of `inspect`. Sizes are numbers of parameters, not of bytes."""

    path: str
    format: str
    architecture: dict[str, object]
    config_file: str | None
    parameters: int
    encoder_parameters: int
    variables: int
    dtypes: dict[str, int]
    pooler: bool
    heads: list[str]
    optimizer_slots: int
    other_variables: list[str]
    global_step: int | None
    largest: list[dict[str, Any]]
    problems: list[str]

    def table(self) -> str:
        """Returns the result as a table of several lines."""
        # Describe the values that take more than one word.
        heads = self.architecture.get("num_attention_heads") or "(unknown; the BERT config has it)"
        largest = [f"{shown(v['name'])} {quoted(v['shape'])} {shown(v['dtype'])}" for v in self.largest]
        step = "none" if self.global_step is None else f"{self.global_step:,}"
        architecture = (
            f"{self.architecture.get('num_hidden_layers')} layers, hidden size {self.architecture.get('hidden_size')}, "
            f"intermediate size {self.architecture.get('intermediate_size')}, {heads} attention heads"
        )
        tables = (
            f"{self.architecture.get('vocab_size', 0):,} pieces, {self.architecture.get('max_position_embeddings')} "
            f"positions, {self.architecture.get('type_vocab_size')} token types"
        )
        # Align the rows.
        rows = [
            ("checkpoint", self.path),
            ("format", _NAMES[self.format]),
            ("architecture", architecture),
            ("embeddings", tables),
            ("BERT config", self.config_file or "none in its folder"),
            (
                "parameters",
                f"{self.parameters:,} in {self.variables} variables, {self.encoder_parameters:,} in the encoder",
            ),
            ("element types", ", ".join(f"{shown(name)} ({count})" for name, count in self.dtypes.items())),
            ("pooler", "present" if self.pooler else "missing"),
            ("output heads", listed([*map(shown, self.heads)]) or "none"),
            ("optimizer slots", f"{self.optimizer_slots}"),
            ("global step", step),
            *(("largest" if not number else "", line) for number, line in enumerate(largest)),
        ]
        if self.other_variables:
            rows.append(("other variables", listed([*map(shown, self.other_variables)])))
        rows += [("problem", problem) for problem in self.problems] or [("problems", "none")]
        return "\n".join(f"{name:<16}{value}" for name, value in rows)


def inspect(
    path: str,
    bert_config_file: str | None = None,
    vocab_file: str | None = None,
    num_attention_heads: int | None = None,
) -> Inspection:
    """Checks names and shapes of a checkpoint, and reads every value once.

    A mismatch with the config or the vocabulary and unreadable values are not errors: the result lists them as
    ``problems``.

    Args:
        path: the checkpoint; `source.open_weights` lists the formats.
        bert_config_file: the config to compare with. ``None`` searches the checkpoint's folder.
        vocab_file: the SentencePiece vocabulary to compare with.
        num_attention_heads: used if neither a config nor the checkpoint has the number.

    Raises:
        InputError: there is no checkpoint, or it is not a BERT.
    """
    # Open the checkpoint and its config.
    config_file = bert_config_file or find_config(path)
    config = BertConfig.from_file(config_file) if config_file else None
    weights = open_weights(path, config)
    check_is_bert(weights)
    heads = (config and config.num_attention_heads) or num_attention_heads or weights.known.get("num_attention_heads")

    # Collect the problems.
    problems = _mismatches(weights, config, heads) + _unreadable(weights)
    if vocab_file:
        problems += _vocabulary_problems(weights, vocab_file)
    try:
        step = weights.global_step
    except InputError as error:
        problems.append(str(error))
        step = None

    # Summarise the variables.
    encoder = [name for name in weights if not name_map.is_ignored(name)]
    largest = sorted(weights.variables.items(), key=lambda item: -item[1].size)[:_LARGEST]
    names, counts = np.unique([variable.dtype for variable in weights.variables.values()], return_counts=True)
    return Inspection(
        path=weights.path,
        format=weights.kind,
        architecture=infer_values(weights) | {"num_attention_heads": heads},
        config_file=config_file,
        parameters=sum(variable.size for variable in weights.variables.values()),
        encoder_parameters=sum(weights.variables[name].size for name in encoder),
        variables=len(weights),
        dtypes=dict(zip(names.tolist(), counts.tolist(), strict=True)),
        pooler=weights.has_pooler,
        heads=weights.heads(),
        optimizer_slots=weights.slots,
        other_variables=weights.others,
        global_step=step,
        largest=[{"name": name, "shape": list(v.shape), "dtype": v.dtype} for name, v in largest],
        problems=problems,
    )


def _mismatches(weights: Weights, config: BertConfig | None, heads: int | None) -> list[str]:
    """Returns a message if the weights do not match the config, or without one, the config that their shapes imply."""
    try:
        check_fits(weights, config or infer_config(weights, heads or 1))
    except InputError as error:
        return [str(error)]
    return []


def _unreadable(weights: Weights) -> list[str]:
    """Returns the first read error, with the number of further ones; empty if every value can be read."""
    problems = []
    for name, variable in weights.variables.items():
        if variable.dtype in FLOATS:  # `check_fits` reports the other types
            try:
                weights[name]
            except InputError as error:
                problems.append(str(error))
    more = f" (and {len(problems) - 1} more variables)" if len(problems) > 1 else ""
    return [f"{problem}{more}" for problem in problems[:1]]


def _vocabulary_problems(weights: Weights, vocab_file: str) -> list[str]:
    """Returns a message if the vocabulary and the word embeddings have different sizes."""
    pieces = len(read_vocabulary(vocab_file))
    rows = infer_values(weights).get("vocab_size")
    return [] if pieces == rows else [f"{vocab_file}: {pieces:,} pieces, but {rows:,} word embeddings"]
