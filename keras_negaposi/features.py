"""How a pair becomes numbers: one specification for the TFRecord writer, the parser and the ``ids`` signature."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

Features = dict[str, tf.Tensor]

ENCODER_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")
"""``int32 [batch, seq]`` each, named as tf-models names them."""
SIDES = ("a", "b")
LABEL = "label_ids"
INDEX = "example_index"
"""Position of the example in its part."""


@dataclasses.dataclass(frozen=True)
class Packing:
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


TOGETHER = Packing("together", ("",))
"""``[CLS] A [SEP] B [SEP]``: one input, so that every layer compares the two."""
APART = Packing("apart", tuple(f"{side}_" for side in SIDES))
"""``[CLS] A [SEP]`` and ``[CLS] B [SEP]``: two inputs, so that what the encoder makes of B can be kept."""
PACKINGS = {packing.name: packing for packing in (TOGETHER, APART)}


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


def serialize(features: Features) -> tf.Tensor:
    """Graph op: features (``[batch]`` or ``[batch, n]``) as ``tf.train.Example``, ``string [batch]``.

    The bytes are those of protobuf's own deterministic serialization. All features go through the same five messages.
    """
    names = sorted(features)
    columns = [features[name] if features[name].shape.rank == 2 else features[name][:, tf.newaxis] for name in names]
    sizes = tf.stack([tf.shape(column)[1] for column in columns])
    longest = tf.reduce_max(sizes)
    padded = [
        tf.pad(tf.cast(column, tf.int64), [[0, 0], [0, longest - size]])
        for column, size in zip(columns, tf.unstack(sizes), strict=True)
    ]
    rows = [tf.shape(columns[0])[0], len(names)]
    lists = _messages("Int64List", value=(tf.stack(padded, 1), tf.broadcast_to(sizes, rows)))
    values = _messages("Feature", int64_list=_once(lists))
    entries = _messages("Features.FeatureEntry", key=_once(tf.broadcast_to(names, rows)), value=_once(values))
    every = _messages("Features", feature=(entries, tf.fill(rows[:1], len(names))))
    return _messages("Example", features=_once(every))


def _once(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A field that is not repeated."""
    return values[..., tf.newaxis], tf.ones_like(values, tf.int32)


def _messages(kind: str, **fields: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
    """Protobuf messages, ``string [...]``; of a field its values, ``[..., n]``, and how many count, ``int32 [...]``."""
    values, sizes = zip(*fields.values(), strict=True)
    return tf.io.encode_proto(tf.stack(sizes, -1), list(values), list(fields), f"tensorflow.{kind}")
