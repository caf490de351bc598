"""Maps the names and shapes of BERT variables between TF1, tf-models and Hugging Face.

Each row describes one kind of variable: its name in google-research/bert's TF1 checkpoints, in a tf-models
``BertEncoder`` and in Hugging Face's ``BertModel``. ``{layer}`` stands for the layer number. checkpoints_tools uses the
TF1 names and shapes internally. tf-models gives attention kernels a dimension for the heads; a plain reshape converts
them, because TF1 stores the heads in the same order. PyTorch's linear layers store their kernels transposed.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from checkpoints_tools.bert_config import BertConfig


@dataclasses.dataclass(frozen=True)
class Row:
    """One kind of variable: its names, and its shapes as names of dimensions.

    ``tf1_shape`` and ``encoder_shape`` hold keys of `dimensions`, for example ``("hidden", "heads", "head_size")``.
    Hugging Face's shape is that of TF1, or its transpose if ``transposed``.
    """

    tf1: str
    encoder: str
    huggingface: str
    tf1_shape: tuple[str, ...]
    encoder_shape: tuple[str, ...]
    transposed: bool = False


@dataclasses.dataclass(frozen=True)
class HeadRow:
    """A variable of an output head on top of the encoder; the shape is the same everywhere unless ``transposed``."""

    tf1: str
    huggingface: str
    transposed: bool = False


def _table(tf1: str, encoder: str, huggingface: str, *shape: str) -> Row:
    """Returns the row of an embedding table."""
    return Row(f"bert/{tf1}", encoder, f"{huggingface}.weight", shape, shape)


def _layer_norm(tf1: str, encoder: str, huggingface: str) -> list[Row]:
    """Returns the rows of a LayerNorm."""
    shape = ("hidden",)
    return [
        Row(f"bert/{tf1}/LayerNorm/{kind}", f"{encoder}/{kind}", f"{huggingface}.LayerNorm.{torch}", shape, shape)
        for kind, torch in (("gamma", "weight"), ("beta", "bias"))
    ]


def _dense(
    tf1: str,
    encoder: str,
    huggingface: str,
    shape: tuple[str, str],
    kernel: tuple[str, ...] | None = None,
    bias: tuple[str, ...] | None = None,
) -> list[Row]:
    """Returns the rows of a dense layer; ``kernel`` and ``bias`` are the encoder's shapes if it splits the heads."""
    return [
        Row(f"bert/{tf1}/kernel", f"{encoder}/kernel", f"{huggingface}.weight", shape, kernel or shape, True),
        Row(f"bert/{tf1}/bias", f"{encoder}/bias", f"{huggingface}.bias", shape[1:], bias or shape[1:]),
    ]


_TF1 = "encoder/layer_{layer}"
_ENCODER = "transformer/layer_{layer}"
_TORCH = "encoder.layer.{layer}"
_SQUARE = ("hidden", "hidden")

EMBEDDING_ROWS = (
    _table("embeddings/word_embeddings", "word_embeddings/embeddings", "embeddings.word_embeddings", "vocab", "hidden"),
    _table(
        "embeddings/position_embeddings",
        "position_embedding/embeddings",
        "embeddings.position_embeddings",
        "positions",
        "hidden",
    ),
    _table(
        "embeddings/token_type_embeddings",
        "type_embeddings/embeddings",
        "embeddings.token_type_embeddings",
        "types",
        "hidden",
    ),
    *_layer_norm("embeddings", "embeddings/layer_norm", "embeddings"),
)

LAYER_ROWS = (
    *(
        row
        for part in ("query", "key", "value")
        for row in _dense(
            f"{_TF1}/attention/self/{part}",
            f"{_ENCODER}/self_attention/{part}",
            f"{_TORCH}.attention.self.{part}",
            _SQUARE,
            kernel=("hidden", "heads", "head_size"),
            bias=("heads", "head_size"),
        )
    ),
    *_dense(
        f"{_TF1}/attention/output/dense",
        f"{_ENCODER}/self_attention/attention_output",
        f"{_TORCH}.attention.output.dense",
        _SQUARE,
        kernel=("heads", "head_size", "hidden"),
    ),
    *_layer_norm(f"{_TF1}/attention/output", f"{_ENCODER}/self_attention_layer_norm", f"{_TORCH}.attention.output"),
    *_dense(
        f"{_TF1}/intermediate/dense",
        f"{_ENCODER}/intermediate",
        f"{_TORCH}.intermediate.dense",
        ("hidden", "intermediate"),
    ),
    *_dense(f"{_TF1}/output/dense", f"{_ENCODER}/output", f"{_TORCH}.output.dense", ("intermediate", "hidden")),
    *_layer_norm(f"{_TF1}/output", f"{_ENCODER}/output_layer_norm", f"{_TORCH}.output"),
)

POOLER_ROWS = tuple(_dense("pooler/dense", "pooler_transform", "pooler.dense", _SQUARE))

CLASSIFIER_ROWS = (
    HeadRow("output_weights", "classifier.weight"),
    HeadRow("output_bias", "classifier.bias"),
)
"""The output head of run_classifier.py: ``[classes, hidden]`` and ``[classes]``."""
PRETRAINING_ROWS = (
    HeadRow("cls/predictions/transform/dense/kernel", "cls.predictions.transform.dense.weight", transposed=True),
    HeadRow("cls/predictions/transform/dense/bias", "cls.predictions.transform.dense.bias"),
    HeadRow("cls/predictions/transform/LayerNorm/gamma", "cls.predictions.transform.LayerNorm.weight"),
    HeadRow("cls/predictions/transform/LayerNorm/beta", "cls.predictions.transform.LayerNorm.bias"),
    HeadRow("cls/predictions/output_bias", "cls.predictions.bias"),
    HeadRow("cls/seq_relationship/output_weights", "cls.seq_relationship.weight"),
    HeadRow("cls/seq_relationship/output_bias", "cls.seq_relationship.bias"),
)
"""The pre-training heads: masked language model and next sentence prediction."""
HEAD_ROWS = (*PRETRAINING_ROWS, *CLASSIFIER_ROWS)
ENCODER_ROWS = (*EMBEDDING_ROWS, *LAYER_ROWS, *POOLER_ROWS)

SLOT_SUFFIXES = ("/adam_m", "/adam_v")
"""The names of google-research/bert's AdamWeightDecayOptimizer slots end with one of these."""
GLOBAL_STEP = "global_step"
_LAYER_NUMBER = re.compile(r"(?<=layer[_.])\d+")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One variable of an encoder: a `Row` with its layer number and sizes filled in."""

    tf1: str
    encoder: str
    huggingface: str
    tf1_shape: tuple[int, ...]
    encoder_shape: tuple[int, ...]
    transposed: bool


def dimensions(config: BertConfig) -> dict[str, int]:
    """Returns the size of each dimension that a `Row` names."""
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
    """Yields every variable of the encoder that ``config`` describes, embeddings first, pooler last."""
    sizes = dimensions(config)

    def fill(row: Row, layer: int | None = None) -> Entry:
        return Entry(
            row.tf1.format(layer=layer),
            row.encoder.format(layer=layer),
            row.huggingface.format(layer=layer),
            tuple(sizes[name] for name in row.tf1_shape),
            tuple(sizes[name] for name in row.encoder_shape),
            row.transposed,
        )

    yield from map(fill, EMBEDDING_ROWS)
    for layer in range(config.num_hidden_layers):
        for row in LAYER_ROWS:
            yield fill(row, layer)
    yield from map(fill, POOLER_ROWS)


def split_layer(name: str) -> tuple[str, str]:
    """Splits a name into the name that a `Row` has and the layer number, which is empty outside of layers.

    ``bert/encoder/layer_3/output`` becomes ``("bert/encoder/layer_{layer}/output", "3")``.
    """
    number = _LAYER_NUMBER.search(name)
    return (_LAYER_NUMBER.sub("{layer}", name, count=1), number[0]) if number else (name, "")


def is_slot(tf1_name: str) -> bool:
    """Returns whether a TF1 variable belongs to the optimizer."""
    return tf1_name.endswith(SLOT_SUFFIXES)


def is_head(tf1_name: str) -> bool:
    """Returns whether a TF1 variable belongs to an output head on top of the encoder."""
    return tf1_name.startswith("cls/") or tf1_name in {row.tf1 for row in HEAD_ROWS}


def is_ignored(tf1_name: str) -> bool:
    """Returns whether a TF1 variable is known and not part of the encoder, so that it may be ignored."""
    return tf1_name == GLOBAL_STEP or is_slot(tf1_name) or is_head(tf1_name)
