"""Token spans: the token ids of a batch of texts as spans of one vector, and their layout ``[CLS] ... [SEP]``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import Features


@dataclasses.dataclass(frozen=True)
class TokenSpans:
    """One span of ``ids`` per row; selecting and truncating rows copies no ids and needs few operations.

    Attributes:
        ids: token ids of all texts, ``int32 [pieces]``.
        starts: where each row's span starts in ``ids``, ``int32 [batch]``.
        sizes: each row's number of pieces, ``int32 [batch]``.
    """

    ids: tf.Tensor
    starts: tf.Tensor
    sizes: tf.Tensor

    @classmethod
    def of(cls, pieces: tf.RaggedTensor) -> TokenSpans:
        """Builds the spans from ragged token ids, ``int32 [batch, (pieces)]``."""
        return cls(pieces.values, tf.cast(pieces.row_starts(), tf.int32), tf.cast(pieces.row_lengths(), tf.int32))

    def take(self, rows: tf.Tensor) -> TokenSpans:
        """Selects rows, ``int32 [batch]``, in any order and also repeatedly."""
        return TokenSpans(self.ids, tf.gather(self.starts, rows), tf.gather(self.sizes, rows))

    def cut(self, sizes: tf.Tensor, at: str = "end") -> TokenSpans:
        """Truncates each row to ``sizes`` pieces, at its ``"end"`` or its ``"start"``."""
        return TokenSpans(self.ids, self.starts + (self.sizes - sizes if at == "start" else 0), sizes)


def trim_pair(a: tf.Tensor, b: tf.Tensor, room: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the truncated sizes, ``int32 [batch]`` each, of two texts that share ``room``.

    The longer text loses pieces until both fit; of two equal ones, B loses a piece first. The formula gives what
    ``_truncate_seq_pair`` of google-research/bert does in a loop.
    """
    half = room // 2
    return tf.minimum(a, tf.maximum(room - half, room - b)), tf.minimum(b, tf.maximum(half, room - a))


@dataclasses.dataclass(frozen=True)
class Part:
    """One text per row of an input.

    Attributes:
        token_type: token type of the text, its prefix and the ``[SEP]`` after it.
        spans: token spans of the texts.
        prefix: token ids before each text.
    """

    token_type: int
    spans: TokenSpans
    prefix: tuple[int, ...] = ()


def lay_out(parts: Sequence[Part], cls_id: int, sep_id: int, padding_id: int, max_seq_length: int) -> Features:
    """Lays out ``[CLS] part [SEP] part [SEP]`` and padding; ``[CLS]`` has the first part's token type.

    Returns:
        ``int32 [batch, max_seq_length]`` by encoder input.
    """
    places = tf.broadcast_to(tf.range(max_seq_length), [tf.size(parts[0].spans.sizes), max_seq_length])
    word_ids = tf.where(places == 0, cls_id, padding_id)
    type_ids = tf.zeros_like(places)
    begin, start = 0, tf.constant(1)
    for part in parts:
        span = part.spans
        for place, piece in enumerate(part.prefix):
            word_ids = tf.where(places == start + place, piece, word_ids)
        start += len(part.prefix)
        ids = tf.concat([span.ids, [padding_id]], 0)  # `tf.gather` needs at least one id
        end = start + span.sizes[:, tf.newaxis]
        inside = (places >= start) & (places < end)
        gathered = tf.gather(ids, tf.where(inside, span.starts[:, tf.newaxis] + places - start, 0))
        word_ids = tf.where(inside, gathered, tf.where(places == end, sep_id, word_ids))
        type_ids = tf.where((places >= begin) & (places <= end), part.token_type, type_ids)
        begin = start = end + 1
    # The mask comes from lengths, not from ids: id 0 is padding and also the unknown piece.
    return {"input_word_ids": word_ids, "input_mask": tf.cast(places < start, tf.int32), "input_type_ids": type_ids}
