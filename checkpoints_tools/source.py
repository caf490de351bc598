"""A BERT as a user points at it: its format is found out, its configuration read or worked out from the shapes."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import CONFIG_NAMES, BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, join
from checkpoints_tools.formats.base import Weights, check_fits, check_is_bert

if TYPE_CHECKING:
    from official.nlp.modeling import networks

_RUN = "saved_model"
_TORCH = ("pytorch_model.bin", "pytorch_model.bin.index.json")


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights and the configuration that they fit.

    ``path`` is what the user gave; ``config_file`` is ``None`` where the configuration was worked out from the shapes.
    """

    path: str
    weights: Weights
    config: BertConfig
    config_file: str | None

    def encoder(self) -> networks.BertEncoder:
        """A tf-models encoder with the weights in it."""
        from checkpoints_tools.encoder import assign_encoder, build_encoder

        encoder = build_encoder(self.config)
        assign_encoder(encoder, self.weights, self.config)
        return encoder


def open_source(path: str, bert_config_file: str | None = None, num_attention_heads: int | None = None) -> Source:
    """Opens a BERT of any format and checks that weights and configuration belong together.

    Args:
        path: as for `open_weights`.
        bert_config_file: its configuration; looked for beside the weights if ``None``.
        num_attention_heads: what shapes cannot tell, where there is no configuration.

    Raises:
        InputError: whatever is wrong with either, or with both together.
    """
    config_file = bert_config_file or find_config(path)
    config = BertConfig.from_file(config_file) if config_file else None
    weights = open_weights(path, config)
    if config is None:
        check_is_bert(weights)
        config = infer_config(weights, num_attention_heads)
    check_fits(weights, config)
    return Source(path, weights, config, config_file)


def open_weights(path: str, config: BertConfig | None = None) -> Weights:
    """Opens weights, whatever their format; nothing but names and shapes is read yet.

    Args:
        path: a TF1 or TF2 checkpoint's prefix, one of its files or its folder; a SavedModel; a finished run's folder;
            a Hugging Face folder or safetensors file; a Keras weight file.
        config: their configuration, if it is known; only Keras' nameless files need it.

    Raises:
        InputError: nothing of the kind is there, or it is damaged.
    """
    if path.endswith((".h5", ".hdf5", ".safetensors")) and not is_remote(path) and os.path.exists(path):
        if not os.path.isfile(path) and not _is_folder(path):
            raise InputError(f"{path}: not a regular file; give a checkpoint's file or folder")
    if path.endswith((".h5", ".hdf5")):
        from checkpoints_tools.formats.keras_weights import open_keras

        return open_keras(path, config)
    if path.endswith(".safetensors") or _is_huggingface(path):
        from checkpoints_tools.formats.huggingface import HuggingFaceWeights

        return HuggingFaceWeights(path)
    if not _checkpoints_in(path) and any(exists(join(path, name)) for name in _TORCH):
        raise InputError(f"{path}: only {_TORCH[0]}, a pickle; save the model again as safetensors (save_pretrained)")
    from checkpoints_tools.formats.tf1 import Reader, Tf1Weights, resolve_prefix
    from checkpoints_tools.formats.tf2 import OBJECT_GRAPH, Tf2Weights

    for nested in (join(path, _RUN), path):  # a run, a SavedModel
        if exists(join(nested, "saved_model.pb")):
            return Tf2Weights(join(nested, "variables", "variables"))
    prefix = resolve_prefix(path)
    return Tf2Weights(prefix) if OBJECT_GRAPH in Reader(prefix).variables else Tf1Weights(prefix)


def find_config(path: str) -> str | None:
    """The configuration that lies in the folder, or in the folder of the file or prefix."""
    folder = folder_of(path)
    return next((join(folder, name) for name in CONFIG_NAMES if exists(join(folder, name))), None)


def folder_of(path: str) -> str:
    """The path itself if it is a folder, else the folder of the file or prefix."""
    return path if _is_folder(path) else path.rpartition("/")[0] or "."


def infer_config(weights: Weights, num_attention_heads: int | None = None) -> BertConfig:
    """The configuration that the shapes tell; what they cannot tell is google-research/bert's default.

    Raises:
        InputError: the number of heads is neither given nor in the weights, or does not divide the width.
    """
    heads = num_attention_heads or weights.known.get("num_attention_heads")
    if heads is None:
        raise InputError(
            f"{weights.path}: no BERT config beside it, and shapes do not tell the number of attention heads; give "
            "--bert_config_file, or --num_attention_heads (12 in BERT-base)"
        )
    return BertConfig.from_values(infer_values(weights) | {"num_attention_heads": heads}, weights.path)


def infer_values(weights: Weights) -> dict[str, object]:
    """Sizes read off the shapes, under `BertConfig`'s names; what is not there is left out."""
    shapes = {name: variable.shape for name, variable in weights.variables.items()}
    first = "bert/encoder/layer_0/intermediate/dense/kernel"
    rows = {
        "vocab_size": ("bert/embeddings/word_embeddings", 0),
        "hidden_size": ("bert/embeddings/word_embeddings", 1),
        "max_position_embeddings": ("bert/embeddings/position_embeddings", 0),
        "type_vocab_size": ("bert/embeddings/token_type_embeddings", 0),
        "intermediate_size": (first, 1),
    }
    values: dict[str, object] = {
        key: shapes[name][axis] for key, (name, axis) in rows.items() if len(shapes.get(name, ())) == 2
    }
    layers = {number for form, number in map(name_map.split_layer, shapes) if form.startswith("bert/encoder/")}
    return values | {"num_hidden_layers": len(layers)}


def _is_huggingface(path: str) -> bool:
    from checkpoints_tools.formats.huggingface import FILE, INDEX

    return any(exists(join(path, name)) for name in (FILE, INDEX)) and not _checkpoints_in(path)


def _checkpoints_in(path: str) -> bool:
    return not is_remote(path) and os.path.isdir(path) and any(name.endswith(".index") for name in os.listdir(path))


def _is_folder(path: str) -> bool:
    if is_remote(path):
        import tensorflow as tf

        return tf.io.gfile.isdir(path)
    return os.path.isdir(path)
