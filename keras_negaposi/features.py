"""One feature specification for the TFRecord writer, the parser and the ``ids`` signature; and how pairs become it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from keras_negaposi.tokenizer import PADDING_ID, Tokenizer

Features = dict[str, tf.Tensor]

SPECIAL_IDS_OF_PAIR = 3  # [CLS] A [SEP] B [SEP]
LABEL = "label_ids"
INDEX = "example_index"


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """One feature: its name, whether it has one value a token or one an example, and whether the model reads it."""

    name: str
    per_token: bool
    model_input: bool

    def shape(self, max_seq_length: int) -> tuple[int, ...]:
        """Static shape of one example."""
        return (max_seq_length,) if self.per_token else ()


FEATURES = (
    FeatureSpec("input_word_ids", per_token=True, model_input=True),
    FeatureSpec("input_mask", per_token=True, model_input=True),
    FeatureSpec("input_type_ids", per_token=True, model_input=True),
    FeatureSpec(LABEL, per_token=False, model_input=False),
    FeatureSpec(INDEX, per_token=False, model_input=False),
)
MODEL_INPUTS = tuple(feature for feature in FEATURES if feature.model_input)


def serialize_example(values: dict[str, np.ndarray]) -> bytes:
    """One example (arrays or numbers by feature name) as a serialized ``tf.train.Example``."""
    example = tf.train.Example()
    for feature in FEATURES:
        example.features.feature[feature.name].int64_list.value.extend(np.ravel(values[feature.name]))
    return example.SerializeToString()


def parse_examples(serialized: tf.Tensor, max_seq_length: int) -> Features:
    """Parses a batch: ``string [batch]`` -> ``int32 [batch, seq]`` and ``int32 [batch]`` by feature name."""
    specification = {
        feature.name: tf.io.FixedLenFeature(feature.shape(max_seq_length), tf.int64) for feature in FEATURES
    }
    parsed = tf.io.parse_example(serialized, specification)
    # TFRecords hold int64 only, TPUs want int32.
    return {name: tf.cast(value, tf.int32) for name, value in parsed.items()}


def input_signature() -> dict[str, tf.TensorSpec]:
    """What the ``ids`` signature takes: ``int32 [batch, seq]`` each."""
    return {feature.name: tf.TensorSpec([None, None], tf.int32, feature.name) for feature in MODEL_INPUTS}


@dataclasses.dataclass(frozen=True)
class PairPacker:
    """Graph op: ``[CLS] A [SEP] B [SEP]``, the longer text cut until the pair fits.

    Equal lengths lose B's last piece first: google-research/bert's ``_truncate_seq_pair``.

    Args:
        tokenizer: for both texts.
        max_seq_length: length of the result in pieces.
        truncate_a: where A is cut; at its ``"end"`` as in the original, or at its ``"start"``, so that the pieces
            next to B stay. The numbers of pieces are the same. B is always cut at its end.
    """

    tokenizer: Tokenizer
    max_seq_length: int
    truncate_a: str = "end"

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Features:
        """Packs ``string [batch]`` twice.

        Returns:
            ``int32 [batch, max_seq_length]`` by model input, and ``truncated``, ``bool [batch]``.
        """
        a, b = self.tokenizer.tokenize(text_a), self.tokenizer.tokenize(text_b)
        room = self.max_seq_length - SPECIAL_IDS_OF_PAIR
        kept_a, kept_b = tf_text.RoundRobinTrimmer(max_seq_length=room).trim([a, b])
        if self.truncate_a == "start":
            kept_a = _last_pieces(a, kept_a.row_lengths())
        truncated = a.row_lengths() + b.row_lengths() > room
        return _pack([kept_a, kept_b], self.tokenizer, self.max_seq_length) | {"truncated": truncated}

    @functools.cached_property
    def traced(self) -> tf.types.experimental.PolymorphicFunction:
        """The same, traced once for batches of any size."""
        return tf.function(self.__call__, input_signature=[tf.TensorSpec([None], tf.string)] * 2)


def pack_singles(tokenizer: Tokenizer, texts: tf.Tensor, max_seq_length: int) -> Features:
    """Graph op: ``[CLS] text [SEP]``; ``string [batch]`` -> ``int32 [batch, seq]`` by model input."""
    segment = tokenizer.tokenize(texts)[:, : max_seq_length - 2]
    return _pack([segment], tokenizer, max_seq_length)


def _last_pieces(pieces: tf.RaggedTensor, counts: tf.Tensor) -> tf.RaggedTensor:
    """The last ``counts`` (``int64 [batch]``) pieces of each row."""
    lengths = pieces.row_lengths()
    return tf.gather(pieces, tf.ragged.range(lengths - counts, lengths), batch_dims=1)


def _pack(segments: list[tf.RaggedTensor], tokenizer: Tokenizer, max_seq_length: int) -> Features:
    word_ids, type_ids = tf_text.combine_segments(segments, tokenizer.cls_id, tokenizer.sep_id)
    shape = [None, max_seq_length]
    # The mask comes from lengths: id 0 is padding and also the unknown piece.
    return {
        "input_word_ids": word_ids.to_tensor(PADDING_ID, shape=shape),
        "input_mask": tf.sequence_mask(word_ids.row_lengths(), max_seq_length, tf.int32),
        "input_type_ids": tf.cast(type_ids.to_tensor(0, shape=shape), tf.int32),
    }
