"""Opens a checkpoint of any format and finds its config, or infers the config from the shapes."""

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
"""The folder of a training run that holds its SavedModel."""
_PROGRAM = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class Source:
    """Weights and their config.

    Attributes:
        path: the path that the user gave.
        weights: the weights on disk.
        config: the config that they fit.
        config_file: the file of the config; ``None`` if it was inferred from the shapes.
    """

    path: str
    weights: Weights
    config: BertConfig
    config_file: str | None

    @property
    def is_run(self) -> bool:
        """Whether the path is the folder of a training run."""
        return exists(join(self.path, _RUN, _PROGRAM))

    def encoder(self) -> networks.BertEncoder:
        """Returns a tf-models encoder with the weights."""
        from checkpoints_tools.encoder import assign_encoder, build_encoder

        encoder = build_encoder(self.config)
        assign_encoder(encoder, self.weights, self.config)
        return encoder


def open_source(path: str, bert_config_file: str | None = None, num_attention_heads: int | None = None) -> Source:
    """Opens a BERT of any format and checks that weights and config match.

    Args:
        path: the checkpoint; `open_weights` lists the formats.
        bert_config_file: the config. ``None`` searches the checkpoint's folder.
        num_attention_heads: used if there is no config; shapes do not always determine it.

    Raises:
        InputError: weights or config cannot be read, or they do not match.
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
    """Opens the weights of a checkpoint of any format; reads only names and shapes.

    Args:
        path: prefix, file or folder of a TF1 or TF2 checkpoint; folder of a SavedModel or of a training run; Hugging
            Face folder or file of weights; Keras weight file.
        config: the config, if known; only ``.weights.h5`` files need it.

    Raises:
        InputError: there is no checkpoint, or it is damaged.
    """
    # Keras and Hugging Face: recognised by file name.
    if path.endswith((".h5", ".hdf5", ".safetensors", ".bin")) and not is_remote(path) and os.path.exists(path):
        if not os.path.isfile(path) and not _is_folder(path):
            raise InputError(f"{path}: not a regular file; give a checkpoint's file or folder")
    if path.endswith((".h5", ".hdf5")):
        from checkpoints_tools.formats.keras_weights import open_keras

        return open_keras(path, config)
    if path.endswith((".safetensors", ".bin")) or _is_huggingface(path):
        from checkpoints_tools.formats.huggingface import HuggingFaceWeights

        return HuggingFaceWeights(path)
    # TensorFlow: recognised by content.
    from checkpoints_tools.formats.tf1 import Reader, Tf1Weights, resolve_prefix
    from checkpoints_tools.formats.tf2 import OBJECT_GRAPH, Tf2Weights

    for nested in (join(path, _RUN), path):  # a training run, a SavedModel
        if exists(join(nested, _PROGRAM)):
            return Tf2Weights(join(nested, "variables", "variables"))
    prefix = resolve_prefix(path)
    return Tf2Weights(prefix) if OBJECT_GRAPH in Reader(prefix).variables else Tf1Weights(prefix)


def find_config(path: str) -> str | None:
    """Returns the config file in the folder ``path``, or in the folder of the file or prefix ``path``."""
    folder = folder_of(path)
    return next((join(folder, name) for name in CONFIG_NAMES if exists(join(folder, name))), None)


def folder_of(path: str) -> str:
    """Returns the path itself if it is a folder, otherwise the folder of the file or prefix."""
    return path if _is_folder(path) else path.rpartition("/")[0] or "."


def infer_config(weights: Weights, num_attention_heads: int | None = None) -> BertConfig:
    """Infers a config from the shapes; fields that shapes do not determine get google-research/bert's defaults.

    Raises:
        InputError: the number of attention heads is neither given nor in the weights, or does not divide the hidden
            size.
    """
    heads = num_attention_heads or weights.known.get("num_attention_heads")
    if heads is None:
        raise InputError(
            f"{weights.path}: no BERT config in its folder, and the shapes do not determine the number of attention "
            "heads; give --bert_config_file, or --num_attention_heads (12 in BERT-base)"
        )
    return BertConfig.from_values(infer_values(weights) | {"num_attention_heads": heads}, weights.path)


def infer_values(weights: Weights) -> dict[str, object]:
    """Returns the sizes that the shapes determine, under the names of `BertConfig`."""
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
    """Returns whether a folder holds a file of Hugging Face's and no TensorFlow checkpoint."""
    from checkpoints_tools.formats.huggingface import NAMES

    return any(exists(join(path, name)) for name in NAMES) and not _checkpoints_in(path)


def _checkpoints_in(path: str) -> bool:
    """Returns whether a local folder holds a TensorFlow checkpoint."""
    return not is_remote(path) and os.path.isdir(path) and any(name.endswith(".index") for name in os.listdir(path))


def _is_folder(path: str) -> bool:
    """Returns whether a local or remote path is a folder."""
    if is_remote(path):
        import tensorflow as tf

        return tf.io.gfile.isdir(path)
    return os.path.isdir(path)
