"""Writes one shard of the records: in a thread of this process, or in a worker on another machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.files import replaced
from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL, TRUNCATED, serialize
from keras_negaposi.input_pipeline.packing import PairPreprocessor
from keras_negaposi.input_pipeline.token_spans import TokenSpans
from keras_negaposi.tokenizers.base import Pieces

BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Shard:
    """The pairs of one file.

    Attributes:
        path: the file.
        pieces: token ids of the texts in these pairs.
        a: index of each pair's A in ``pieces``, ``int32 [pairs]``.
        b: index of each pair's B in ``pieces``, ``int32 [pairs]``.
        labels: ``int32 [pairs]``.
        indexes: position of each pair in its part, ``int32 [pairs]``.
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
class ShardStats:
    """Counts of a written shard.

    Attributes:
        pairs: number of pairs.
        truncated: number of pairs that were truncated.
        lengths: number of inputs by their length in pieces, ``int64 [max_seq_length + 1]``.
    """

    pairs: int
    truncated: int
    lengths: np.ndarray


EXCHANGED = {"Shard": Shard, "ShardStats": ShardStats}
"""Classes that are sent to workers on other machines and back, by name."""


class ShardWriter:
    """Packs, serializes and writes pairs; several threads may call it at once.

    Args:
        preprocessor: makes the model's inputs.
    """

    def __init__(self, preprocessor: PairPreprocessor) -> None:
        self._preprocessor = preprocessor

    def __call__(self, shard: Shard) -> ShardStats:
        """Writes the file, which appears under its name when it is complete."""
        truncated, lengths = 0, np.zeros(self._preprocessor.max_seq_length + 1, np.int64)
        sizes = np.array([len(ids) for ids in shard.pieces], np.int32)
        texts = TokenSpans(np.concatenate(shard.pieces), np.cumsum(sizes, dtype=np.int32) - sizes, sizes)
        with replaced(shard.path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for start in range(0, len(shard), BATCH):
                batch = slice(start, start + BATCH)
                packed = self._preprocessor.pack(texts.take(shard.a[batch]), texts.take(shard.b[batch]))
                features = {name: values.numpy() for name, values in packed.items()}
                truncated += int(np.count_nonzero(features.pop(TRUNCATED)))
                for mask in self._preprocessor.layout.masks:
                    lengths += np.bincount(features[mask].sum(axis=1), minlength=len(lengths))
                for example in serialize(features | {LABEL: shard.labels[batch], INDEX: shard.indexes[batch]}):
                    writer.write(example)
        return ShardStats(len(shard), truncated, lengths)
