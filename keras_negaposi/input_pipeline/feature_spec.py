"""The features of a pair: one specification for writing TFRecords, reading them, and the ``ids`` signature."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from keras_negaposi.config.heads import JOINT, SEPARATE, SIDES

Features = dict[str, tf.Tensor]

ENCODER_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
"""The encoder's inputs, ``int32 [batch, seq]`` each, with tf-models' names."""
WORD_INPUT = "input_word_ids"
"""The encoder's input of token ids."""
MASK_INPUT = "input_mask"
"""The encoder's input that is 1 for a token and 0 for padding."""
LABEL = "label_ids"
INDEX = "example_index"
"""Position of the pair in its part."""
DOCUMENTS = ("document_a", "document_b")
"""Numbers of the documents of A and B, ``int32 [batch]``: given to a model that compares every A with every B."""
TRUNCATED = "truncated"
"""Whether a pair lost tokens, ``bool [batch]``: returned with the inputs, but neither stored nor given to a model."""


@dataclasses.dataclass(frozen=True)
class InputLayout:
    """The inputs of a model: `ENCODER_INPUTS` once for each of ``prefixes``, ``int32 [batch, seq]`` each."""

    name: str
    prefixes: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs."""
        return tuple(prefix + name for prefix in self.prefixes for name in ENCODER_INPUTS)

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of those inputs that are masks."""
        return tuple(prefix + MASK_INPUT for prefix in self.prefixes)

    def signature(self) -> dict[str, tf.TensorSpec]:
        """Returns the input specification of the ``ids`` signature."""
        return {name: tf.TensorSpec([None, None], tf.int32, name) for name in self.inputs}

    def parse(self, serialized: tf.Tensor, max_seq_length: int) -> Features:
        """Parses one ``tf.train.Example``: ``string []`` -> ``int32 [seq]`` and ``int32 []`` by feature name."""
        specification = {name: tf.io.FixedLenFeature((max_seq_length,), tf.int64) for name in self.inputs}
        specification |= {name: tf.io.FixedLenFeature((), tf.int64) for name in (LABEL, INDEX)}
        parsed = tf.io.parse_single_example(serialized, specification)
        # TFRecords hold int64 only, TPUs need int32.
        return {name: tf.cast(value, tf.int32) for name, value in parsed.items()}


LAYOUTS = {
    # ``[CLS] A [SEP] B [SEP]``: every layer compares the two texts.
    JOINT: InputLayout(JOINT, ("",)),
    # ``[CLS] A [SEP]`` and ``[CLS] B [SEP]``: the encoder's output for B can be cached.
    SEPARATE: InputLayout(SEPARATE, tuple(f"{side}_" for side in SIDES)),
}


def serialize(features: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """Serializes a batch of features, ``int [batch]`` or ``int [batch, seq]`` each, one ``tf.train.Example`` per row.

    The same features always give the same bytes.
    """
    example = tf.train.Example()  # filled again for each row, which is a quarter faster
    fields = [example.features.feature[name].int64_list.value for name in features]
    for row in zip(*features.values(), strict=True):
        for field, values in zip(fields, row, strict=True):
            field[:] = np.ravel(values).tolist()
        yield example.SerializeToString(deterministic=True)


def side_of(features: Features, side: str) -> Features:
    """Returns the encoder's inputs for A (``"a"``) or B (``"b"``) of pairs in the separate layout."""
    return {name: features[f"{side}_{name}"] for name in ENCODER_INPUTS}


def cut(features: Features, lengths: Mapping[str, tf.Tensor | int]) -> Features:
    """Shortens inputs ``[batch, seq]`` to a length given by their prefix; other features stay unchanged."""
    return features | {
        prefix + name: features[prefix + name][:, :length]
        for prefix, length in lengths.items()
        for name in ENCODER_INPUTS
    }
