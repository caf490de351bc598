"""One shard of records, written by itself: in a thread, or by a worker on another machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from checkpoints_tools.files import replaced
from keras_negaposi.features import INDEX, LABEL, Features, serialize
from keras_negaposi.graphs import traced
from keras_negaposi.packing import Packer

BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Shard:
    """Pairs that go into one file: the texts, the labels, and the positions in the part."""

    path: str
    text_a: list[str]
    text_b: list[str]
    labels: list[int]
    indexes: list[int]

    def __len__(self) -> int:
        return len(self.indexes)


@dataclasses.dataclass(frozen=True)
class Written:
    """Of a shard: its truncated pairs, and its inputs by their length in pieces, from 0 to ``max_seq_length``."""

    pairs: int
    truncated: int
    lengths: np.ndarray


class ShardWriter:
    """Tokenizes, packs, serializes and writes; several threads may call it at once.

    Args:
        packer: makes the inputs.
    """

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        kinds = (tf.string, tf.string, tf.int32, tf.int32)
        self._examples = traced(self._make_examples, [tf.TensorSpec([None], kind) for kind in kinds])

    def __call__(self, shard: Shard) -> Written:
        """Writes the file, which is there when it is whole."""
        truncated, lengths = 0, np.zeros(self._packer.max_seq_length + 1, np.int64)
        columns = (shard.text_a, shard.text_b, shard.labels, shard.indexes)
        with replaced(shard.path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for start in range(0, len(shard), BATCH):
                batch = [tf.constant(column[start : start + BATCH]) for column in columns]
                examples, cut, counts = self._examples(*batch)
                for example in examples.numpy():
                    writer.write(example)
                truncated += int(cut)
                lengths += counts.numpy()
        return Written(len(shard), truncated, lengths)

    def _make_examples(
        self, text_a: tf.Tensor, text_b: tf.Tensor, labels: tf.Tensor, indexes: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        texts, numbers = tf.unique(tf.concat([text_a, text_b], 0))  # pages are in several pairs
        pieces = self._packer.tokenizer.tokenize(texts)
        packed: Features = self._packer.pack(*(tf.gather(pieces, side) for side in tf.split(numbers, 2)))
        cut = tf.math.count_nonzero(packed.pop("truncated"))
        masks = tf.stack([packed[f"{prefix}input_mask"] for prefix in self._packer.packing.prefixes])
        lengths = tf.reduce_sum(masks, -1)
        counts = tf.math.bincount(lengths, minlength=self._packer.max_seq_length + 1, dtype=tf.int64)
        return serialize(packed | {LABEL: labels, INDEX: indexes}), cut, counts
