"""How a pair becomes numbers: one specification for the TFRecord writer, the parser and the ``ids`` signature."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_negaposi.config.heads import JOINT, SEPARATE

Features = dict[str, tf.Tensor]

ENCODER_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
"""``int32 [batch, seq]`` each, named as tf-models names them."""
SIDES = ("a", "b")
LABEL = "label_ids"
INDEX = "example_index"
"""Position of the example in its part."""


@dataclasses.dataclass(frozen=True)
class InputLayout:
    """What a model reads of a pair: `ENCODER_INPUTS` with each of ``prefixes``, ``int32 [batch, seq]`` each."""

    name: str
    prefixes: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(prefix + name for prefix in self.prefixes for name in ENCODER_INPUTS)

    def signature(self) -> dict[str, tf.TensorSpec]:
        """What the ``ids`` signature takes."""
        return {name: tf.TensorSpec([None, None], tf.int32, name) for name in self.inputs}

    def parse(self, serialized: tf.Tensor, max_seq_length: int) -> Features:
        """Parses an example: ``string []`` -> ``int32 [seq]`` and ``int32 []`` by feature name."""
        specification = {name: tf.io.FixedLenFeature((max_seq_length,), tf.int64) for name in self.inputs}
        specification |= {name: tf.io.FixedLenFeature((), tf.int64) for name in (LABEL, INDEX)}
        parsed = tf.io.parse_single_example(serialized, specification)
        # TFRecords hold int64 only, TPUs want int32.
        return {name: tf.cast(value, tf.int32) for name, value in parsed.items()}


LAYOUTS = {
    # ``[CLS] A [SEP] B [SEP]``: every layer compares the two texts.
    JOINT: InputLayout(JOINT, ("",)),
    # ``[CLS] A [SEP]`` and ``[CLS] B [SEP]``: the encoder's output for B can be cached.
    SEPARATE: InputLayout(SEPARATE, tuple(f"{side}_" for side in SIDES)),
}


def side_of(features: Features, side: str) -> Features:
    """The encoder's inputs for A (``"a"``) or B (``"b"``) of a pair that is packed apart."""
    return {name: features[f"{side}_{name}"] for name in ENCODER_INPUTS}


def cut(features: Features, lengths: dict[str, tf.Tensor | int]) -> Features:
    """Inputs ``[batch, seq]`` cut to a length by their names' prefix."""
    return features | {
        prefix + name: features[prefix + name][:, :length]
        for prefix, length in lengths.items()
        for name in ENCODER_INPUTS
    }
