"""tf-models ``BertEncoder`` with the original's numerics, and its weights from a TF1 checkpoint."""

from __future__ import annotations

import logging

import numpy as np
import tensorflow as tf
import tf_keras
from official.nlp.modeling import networks

from checkpoints_tools import name_map, tf1
from checkpoints_tools.config import BertConfig
from checkpoints_tools.errors import InputError

logger = logging.getLogger(__name__)

_LISTED = 8


@tf_keras.utils.register_keras_serializable(package="checkpoints_tools")
def tanh_gelu(x: tf.Tensor) -> tf.Tensor:
    """google-research/bert's gelu: the tanh approximation. Named, so that a model's config can be restored."""
    return tf_keras.activations.gelu(x, approximate=True)


def build_encoder(config: BertConfig) -> networks.BertEncoder:
    """A freshly initialised encoder.

    Called on a dict of ``input_word_ids``, ``input_mask``, ``input_type_ids`` (each ``int32 [batch, seq]``) it
    returns a dict: ``sequence_output`` ``[batch, seq, hidden]``, ``pooled_output`` ``[batch, hidden]`` and
    ``encoder_outputs``, a list of ``[batch, seq, hidden]``, one a layer.

    The rest of the original's numerics is tf-models' default: LayerNorm epsilon 1e-12 in float32, -10000 added to
    masked scores, tanh pooler (https://github.com/google-research/bert, modeling.py).
    """
    return networks.BertEncoder(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation=tanh_gelu,
        output_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        initializer=tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range),
        dict_outputs=True,
    )


def load_encoder(bert_config_file: str, init_checkpoint: str) -> networks.BertEncoder:
    """Builds the encoder of a BERT config and loads a TF1 checkpoint into it.

    Args:
        bert_config_file: ``bert_config.json`` or bert-japanese's ``config.ini``.
        init_checkpoint: prefix, file or folder of a google-research/bert checkpoint.

    Returns:
        A `BertEncoder`; see `build_encoder` for what it takes and gives.

    Raises:
        InputError: config or checkpoint cannot be read, or they do not belong together; every missing, unexpected
            and misshapen variable is counted and named.
    """
    config = BertConfig.from_file(bert_config_file)
    checkpoint = Checkpoint(config, init_checkpoint)
    encoder = build_encoder(config)
    checkpoint.assign_to(encoder)
    return encoder


class Checkpoint:
    """A TF1 checkpoint that fits a BERT config: names and shapes are checked and every value has been read.

    Args:
        config: the architecture.
        init_checkpoint: prefix, file or folder.

    Raises:
        InputError: as `load_encoder`.
    """

    def __init__(self, config: BertConfig, init_checkpoint: str) -> None:
        self.config = config
        self.prefix = tf1.resolve_prefix(init_checkpoint)
        self._reader = tf1.open_reader(self.prefix)
        self._check_names()
        for entry in name_map.entries(config):  # a file cut short must be found before anything is written
            self._read(entry)

    def assign_to(self, encoder: networks.BertEncoder) -> None:
        """Assigns every variable of the encoder exactly once; a pooler that is missing stays freshly initialised."""
        variables = {variable.name.removesuffix(":0"): variable for variable in encoder.variables}
        for entry in name_map.entries(self.config):
            variable = variables.pop(entry.encoder)
            value = self._read(entry)
            if value is None:
                logger.warning("%s has no %s: freshly initialised", self.prefix, entry.tf1)
            else:
                variable.assign(np.reshape(value, entry.encoder_shape).astype(np.float32, copy=False))
        if variables:  # a tf-models release with variables that the map does not know
            raise RuntimeError(f"encoder variables without a row in the name map: {sorted(variables)}")

    def _read(self, entry: name_map.Entry) -> np.ndarray | None:
        return tf1.read_tensor(self._reader, self.prefix, entry.tf1) if self._reader.has_tensor(entry.tf1) else None

    def _check_names(self) -> None:
        shapes = {name: tuple(shape) for name, shape in self._reader.get_variable_to_shape_map().items()}
        wanted = {entry.tf1: entry.tf1_shape for entry in name_map.entries(self.config)}
        pooler = {row.tf1 for row in name_map.POOLER_ROWS}
        if not pooler & shapes.keys():
            wanted = {name: shape for name, shape in wanted.items() if name not in pooler}

        missing = sorted(wanted.keys() - shapes.keys())
        unexpected = sorted(name for name in shapes.keys() - wanted.keys() if not name_map.is_ignored(name))
        misshapen = [
            f"{name} is {list(shapes[name])} in the checkpoint, {list(wanted[name])} by the config"
            for name in sorted(wanted.keys() & shapes.keys())
            if shapes[name] != wanted[name]
        ]
        problems = [
            f"{len(names)} {kind}: {_shorten(names)}"
            for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen))
            if names
        ]
        if problems:
            raise InputError(f"{self.prefix}: the checkpoint does not fit the BERT config; {'; '.join(problems)}")


def encoder_to_tf1(encoder: networks.BertEncoder, config: BertConfig) -> dict[str, np.ndarray]:
    """The encoder's weights under their TF1 names and shapes: the inverse of `Checkpoint.assign_to`."""
    variables = {variable.name.removesuffix(":0"): variable for variable in encoder.variables}
    return {
        entry.tf1: np.reshape(variables[entry.encoder].numpy(), entry.tf1_shape) for entry in name_map.entries(config)
    }


def _shorten(names: list[str]) -> str:
    more = f", and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
