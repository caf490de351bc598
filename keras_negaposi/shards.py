"""One shard of records, written by itself: in a thread, or by a worker on another machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from checkpoints_tools.files import replaced
from keras_negaposi.features import INDEX, LABEL, Features, serialize
from keras_negaposi.graphs import traced
from keras_negaposi.packing import Packer
from keras_negaposi.pieces import Pieces
from keras_negaposi.segments import Segments

BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Shard:
    """Pairs that go into one file.

    Attributes:
        path: of the file.
        pieces: of the texts that are in these pairs.
        a: each pair's A among them, as ``b``, ``labels`` and ``indexes`` (the position in the part) ``int32 [pairs]``.
    """

    path: str
    pieces: Pieces
    a: np.ndarray
    b: np.ndarray
    labels: np.ndarray
    indexes: np.ndarray

    def __len__(self) -> int:
        return len(self.indexes)


@dataclasses.dataclass(frozen=True)
class Written:
    """Of a shard: its truncated pairs, and its inputs by their length in pieces, from 0 to ``max_seq_length``."""

    pairs: int
    truncated: int
    lengths: np.ndarray


class ShardWriter:
    """Packs, serializes and writes; several threads may call it at once.

    Args:
        packer: makes the inputs.
    """

    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._examples = traced(self._make_examples, [tf.TensorSpec([None], tf.int32)] * 6)

    def __call__(self, shard: Shard) -> Written:
        """Writes the file, which is there when it is whole."""
        truncated, lengths = 0, np.zeros(self._packer.max_seq_length + 1, np.int64)
        values = tf.constant(np.concatenate(shard.pieces))
        sizes = tf.constant([len(ids) for ids in shard.pieces], tf.int32)
        with replaced(shard.path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for start in range(0, len(shard), BATCH):
                columns = (shard.a, shard.b, shard.labels, shard.indexes)
                batch = (tf.constant(column[start : start + BATCH]) for column in columns)
                examples, cut, counts = self._examples(values, sizes, *batch)
                for example in examples.numpy():
                    writer.write(example)
                truncated += int(cut)
                lengths += counts.numpy()
        return Written(len(shard), truncated, lengths)

    def _make_examples(
        self,
        values: tf.Tensor,
        sizes: tf.Tensor,
        a: tf.Tensor,
        b: tf.Tensor,
        labels: tf.Tensor,
        indexes: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        pieces = Segments(values, tf.cumsum(sizes, exclusive=True), sizes)
        packed: Features = self._packer.pack(pieces.take(a), pieces.take(b))
        cut = tf.math.count_nonzero(packed.pop("truncated"))
        masks = tf.stack([packed[f"{prefix}input_mask"] for prefix in self._packer.packing.prefixes])
        lengths = tf.reduce_sum(masks, -1)
        counts = tf.math.bincount(lengths, minlength=self._packer.max_seq_length + 1, dtype=tf.int64)
        return serialize(packed | {LABEL: labels, INDEX: indexes}), cut, counts
