"""The name map between google-research/bert checkpoints and a tf-models ``BertEncoder``.

One row a kind of variable. ``{layer}`` stands for the layer's number. The encoder splits the attention kernels by
head, so a row also says how the TF1 shape and the encoder's shape relate; both directions are a plain reshape,
because TF1 lays heads side by side in the same order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from checkpoints_tools.config import BertConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """A kind of variable: its name in either world, and its shape as names of dimensions.

    ``tf1_shape`` and ``encoder_shape`` hold keys of `dimensions`, for example ``("hidden", "heads", "head_size")``.
    """

    tf1: str
    encoder: str
    tf1_shape: tuple[str, ...]
    encoder_shape: tuple[str, ...]


def _same(tf1: str, encoder: str, *shape: str) -> Row:
    return Row(tf1, encoder, shape, shape)


def _layer_norm(tf1: str, encoder: str) -> list[Row]:
    return [_same(f"{tf1}/LayerNorm/{kind}", f"{encoder}/{kind}", "hidden") for kind in ("gamma", "beta")]


_TF1_LAYER = "bert/encoder/layer_{layer}"
_LAYER = "transformer/layer_{layer}"

EMBEDDING_ROWS = (
    _same("bert/embeddings/word_embeddings", "word_embeddings/embeddings", "vocab", "hidden"),
    _same("bert/embeddings/position_embeddings", "position_embedding/embeddings", "positions", "hidden"),
    _same("bert/embeddings/token_type_embeddings", "type_embeddings/embeddings", "types", "hidden"),
    *_layer_norm("bert/embeddings", "embeddings/layer_norm"),
)

LAYER_ROWS = (
    *(
        row
        for part in ("query", "key", "value")
        for row in (
            Row(
                f"{_TF1_LAYER}/attention/self/{part}/kernel",
                f"{_LAYER}/self_attention/{part}/kernel",
                ("hidden", "hidden"),
                ("hidden", "heads", "head_size"),
            ),
            Row(
                f"{_TF1_LAYER}/attention/self/{part}/bias",
                f"{_LAYER}/self_attention/{part}/bias",
                ("hidden",),
                ("heads", "head_size"),
            ),
        )
    ),
    Row(
        f"{_TF1_LAYER}/attention/output/dense/kernel",
        f"{_LAYER}/self_attention/attention_output/kernel",
        ("hidden", "hidden"),
        ("heads", "head_size", "hidden"),
    ),
    _same(f"{_TF1_LAYER}/attention/output/dense/bias", f"{_LAYER}/self_attention/attention_output/bias", "hidden"),
    *_layer_norm(f"{_TF1_LAYER}/attention/output", f"{_LAYER}/self_attention_layer_norm"),
    _same(f"{_TF1_LAYER}/intermediate/dense/kernel", f"{_LAYER}/intermediate/kernel", "hidden", "intermediate"),
    _same(f"{_TF1_LAYER}/intermediate/dense/bias", f"{_LAYER}/intermediate/bias", "intermediate"),
    _same(f"{_TF1_LAYER}/output/dense/kernel", f"{_LAYER}/output/kernel", "intermediate", "hidden"),
    _same(f"{_TF1_LAYER}/output/dense/bias", f"{_LAYER}/output/bias", "hidden"),
    *_layer_norm(f"{_TF1_LAYER}/output", f"{_LAYER}/output_layer_norm"),
)

POOLER_ROWS = (
    _same("bert/pooler/dense/kernel", "pooler_transform/kernel", "hidden", "hidden"),
    _same("bert/pooler/dense/bias", "pooler_transform/bias", "hidden"),
)

IGNORED_SUFFIXES = ("/adam_m", "/adam_v")
"""Optimizer slots of google-research/bert's AdamWeightDecayOptimizer."""
IGNORED_PREFIXES = ("cls/",)
"""The pre-training heads: masked words and next sentence."""
IGNORED_NAMES = ("global_step",)


@dataclasses.dataclass(frozen=True)
class Entry:
    """One variable: names and concrete shapes in both worlds."""

    tf1: str
    encoder: str
    tf1_shape: tuple[int, ...]
    encoder_shape: tuple[int, ...]


def dimensions(config: BertConfig) -> dict[str, int]:
    """The size of each dimension that a `Row` names."""
    return {
        "vocab": config.vocab_size,
        "positions": config.max_position_embeddings,
        "types": config.type_vocab_size,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "head_size": config.hidden_size // config.num_attention_heads,
        "intermediate": config.intermediate_size,
    }


def entries(config: BertConfig) -> Iterator[Entry]:
    """Every variable of the encoder that ``config`` describes, embeddings first, pooler last."""
    sizes = dimensions(config)

    def fill(row: Row, layer: int | None = None) -> Entry:
        return Entry(
            row.tf1.format(layer=layer),
            row.encoder.format(layer=layer),
            tuple(sizes[name] for name in row.tf1_shape),
            tuple(sizes[name] for name in row.encoder_shape),
        )

    yield from map(fill, EMBEDDING_ROWS)
    for layer in range(config.num_hidden_layers):
        for row in LAYER_ROWS:
            yield fill(row, layer)
    yield from map(fill, POOLER_ROWS)


def is_ignored(tf1_name: str) -> bool:
    """Whether a TF1 variable is no part of the encoder, and may be left out in silence."""
    return tf1_name in IGNORED_NAMES or tf1_name.startswith(IGNORED_PREFIXES) or tf1_name.endswith(IGNORED_SUFFIXES)
