"""One shard of records, written by itself: in a thread, or by a worker on another machine."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.files import replaced
from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL
from keras_negaposi.input_pipeline.packing import PairPreprocessor
from keras_negaposi.input_pipeline.pieces import Pieces
from keras_negaposi.input_pipeline.serialization import Varints, lay_out, serialize
from keras_negaposi.input_pipeline.token_spans import Parts, TokenSpans

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
class ShardStats:
    """Of a shard: its truncated pairs, and its inputs by their length in pieces, from 0 to ``max_seq_length``."""

    pairs: int
    truncated: int
    lengths: np.ndarray


EXCHANGED = {"Shard": Shard, "ShardStats": ShardStats}
"""What goes to other machines and comes back, by name."""


class ShardWriter:
    """Packs, serializes and writes; several threads may call it at once.

    Args:
        preprocessor: makes the inputs.
    """

    def __init__(self, preprocessor: PairPreprocessor) -> None:
        self._preprocessor = preprocessor

    def __call__(self, shard: Shard) -> ShardStats:
        """Writes the file, which is there when it is whole."""
        truncated, lengths = 0, np.zeros(self._preprocessor.max_seq_length + 1, np.int64)
        sizes = np.array([len(ids) for ids in shard.pieces], np.int32)
        ids = np.concatenate(shard.pieces)
        pieces, varints = TokenSpans(ids, np.cumsum(sizes, dtype=np.int32) - sizes, sizes), Varints.of(ids)
        with replaced(shard.path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
            for start in range(0, len(shard), BATCH):
                batch = slice(start, start + BATCH)
                inputs, cut = self._preprocessor.cut(pieces.take(shard.a[batch]), pieces.take(shard.b[batch]))
                columns = {
                    LABEL: Varints.of(shard.labels[batch]).each(),
                    INDEX: Varints.of(shard.indexes[batch]).each(),
                }
                for prefix, parts in inputs.items():
                    features, found = self._lay_out(varints, parts)
                    columns |= {prefix + name: rows for name, rows in features.items()}
                    lengths += np.bincount(found, minlength=len(lengths))
                for example in serialize(columns):
                    writer.write(example)
                truncated += int(np.count_nonzero(cut))
        return ShardStats(len(shard), truncated, lengths)

    def _lay_out(self, ids: Varints, parts: Parts) -> tuple[dict[str, list[bytes]], np.ndarray]:
        tokenizer = self._preprocessor.tokenizer
        return lay_out(ids, parts, tokenizer.cls_id, tokenizer.sep_id, self._preprocessor.max_seq_length)
