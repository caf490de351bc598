"""The pieces of a batch of texts as stretches of one vector, and how ``[CLS] ... [SEP]`` is laid out of them."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import Features


@dataclasses.dataclass(frozen=True)
class TokenSpans:
    """A stretch a row. To take, to cut and to lay out costs no copy of the pieces, and a graph of few operations.

    Attributes:
        ids: of all pieces, ``int32 [pieces]``.
        starts: where each row's stretch begins there, ``int32 [batch]``.
        sizes: in pieces, ``int32 [batch]``.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    sizes: tf.Tensor

    @classmethod
    def of(cls, pieces: tf.RaggedTensor) -> TokenSpans:
        """Of ragged ``int32 [batch, (pieces)]``."""
        return cls(pieces.values, tf.cast(pieces.row_starts(), tf.int32), tf.cast(pieces.row_lengths(), tf.int32))

    def take(self, rows: tf.Tensor) -> TokenSpans:
        """Some of the rows, ``int32 [batch]``."""
        return TokenSpans(self.ids, tf.gather(self.starts, rows), tf.gather(self.sizes, rows))

    def cut(self, sizes: tf.Tensor, at: str = "end") -> TokenSpans:
        """What is left when each row, at its ``"end"`` or its ``"start"``, loses all but so many pieces."""
        return TokenSpans(self.ids, self.starts + (self.sizes - sizes if at == "start" else 0), sizes)


def trim_pair(a: tf.Tensor, b: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Sizes, ``int32 [batch]`` each, of two spans that share ``room``: the longer one is cut until both fit.

    Equal ones lose B's last piece first: google-research/bert's ``_truncate_seq_pair``.
    """
    half = room // 2
    return tf.minimum(a, tf.maximum(room - half, room - b)), tf.minimum(b, tf.maximum(half, room - a))


Parts = list[tuple[int, TokenSpans]]
"""What an input is laid out of: the type of the tokens, and which they are."""


def lay_out(parts: Parts, cls_id: int, sep_id: int, padding_id: int, max_seq_length: int) -> Features:
    """``[CLS] span [SEP] span [SEP]``; ``[CLS]`` is of the first span's type.

    Returns:
        ``int32 [batch, max_seq_length]`` by encoder input.
    """
    places = tf.broadcast_to(tf.range(max_seq_length), [tf.size(parts[0][1].sizes), max_seq_length])
    word_ids = tf.where(places == 0, cls_id, padding_id)
    type_ids = tf.zeros_like(places)
    begin, start = 0, tf.constant(1)
    for type_id, span in parts:
        ids = tf.concat([span.ids, [padding_id]], 0)  # so that there is one to take
        end = start + span.sizes[:, tf.newaxis]
        inside = (places >= start) & (places < end)
        taken = tf.gather(ids, tf.where(inside, span.starts[:, tf.newaxis] + places - start, 0))
        word_ids = tf.where(inside, taken, tf.where(places == end, sep_id, word_ids))
        type_ids = tf.where((places >= begin) & (places <= end), type_id, type_ids)
        begin = start = end + 1
    # The mask comes from lengths: id 0 is padding and also the unknown piece.
    return {"input_word_ids": word_ids, "input_mask": tf.cast(places < start, tf.int32), "input_type_ids": type_ids}
