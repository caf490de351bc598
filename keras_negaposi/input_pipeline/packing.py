"""Turns texts into the model's inputs, as graph ops: the same for records, evaluation and the exported model."""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_negaposi.config.heads import JOINT, SEPARATE
from keras_negaposi.input_pipeline.feature_spec import (
    LAYOUTS,
    MASK_INPUT,
    SIDES,
    TRUNCATED,
    Features,
    InputLayout,
    cut,
)
from keras_negaposi.input_pipeline.token_spans import Parts, TokenSpans, lay_out, trim_pair
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.tokenizers.base import BaseTokenizer

SPECIAL_IDS_OF_PAIR = 3  # [CLS] A [SEP] B [SEP]
SPECIAL_IDS_OF_SINGLE = 2  # [CLS] text [SEP]


@dataclasses.dataclass(frozen=True)
class PairPreprocessor:
    """Turns pairs of texts into `InputLayout.inputs`.

    Args:
        tokenizer: tokenizer of both texts.
        max_seq_length: length of an input in pieces.
        truncate_a: where a long A is truncated: at its ``"end"``, as in the original, or at its ``"start"``, which
            keeps the pieces next to B. Both keep the same number of pieces. B is always truncated at its end.
    """

    tokenizer: BaseTokenizer
    max_seq_length: int
    truncate_a: str = "end"

    layout: ClassVar[InputLayout]

    def __getstate__(self) -> dict[str, object]:
        """Returns what another process needs: everything but the traced function."""
        return {name: value for name, value in self.__dict__.items() if name != "traced"}

    def __call__(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Features:
        """Tokenizes two ``string [batch]`` and packs them with `pack`."""
        a, b = (TokenSpans.of(self.tokenizer.tokenize(text)) for text in (text_a, text_b))
        return self.pack(a, b)

    def pack(self, a: TokenSpans, b: TokenSpans) -> Features:
        """Truncates the token ids and adds special ids and padding.

        Returns:
            ``int32 [batch, max_seq_length]`` by name of the input, and `TRUNCATED`, ``bool [batch]``.
        """
        inputs, truncated = self.cut(a, b)
        laid_out = {prefix: _lay_out(parts, self.tokenizer, self.max_seq_length) for prefix, parts in inputs.items()}
        packed = {prefix + name: ids for prefix, features in laid_out.items() for name, ids in features.items()}
        return packed | {TRUNCATED: truncated}

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, Parts], tf.Tensor]:
        """Returns the truncated token spans of each input by its prefix, and `TRUNCATED`, ``bool [batch]``."""
        raise NotImplementedError

    @staticmethod
    def pieces_cut(lengths: np.ndarray, max_seq_length: int) -> np.ndarray:
        """Returns how many pieces each pair loses, ``int [pairs]``, from the lengths of A and B, ``int [pairs, 2]``."""
        raise NotImplementedError

    @functools.cached_property
    def traced(self) -> tf.types.experimental.PolymorphicFunction:
        """`__call__` as a graph, traced once for batches of any size."""
        return traced(self.__call__, [tf.TensorSpec([None], tf.string)] * 2)


class JointPreprocessor(PairPreprocessor):
    """Packs ``[CLS] A [SEP] B [SEP]``; the longer text is truncated until the pair fits."""

    layout = LAYOUTS[JOINT]

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, Parts], tf.Tensor]:
        """Truncates the longer text until both fit into one input; see the base class."""
        room = self.max_seq_length - SPECIAL_IDS_OF_PAIR
        size_a, size_b = trim_pair(a.sizes, b.sizes, room)
        return {"": [(0, a.cut(size_a, self.truncate_a)), (1, b.cut(size_b))]}, a.sizes + b.sizes > room

    @staticmethod
    def pieces_cut(lengths: np.ndarray, max_seq_length: int) -> np.ndarray:
        """Counts the lost pieces of pairs that share one input; see the base class."""
        return np.maximum(lengths.sum(axis=1) - (max_seq_length - SPECIAL_IDS_OF_PAIR), 0)


class SeparatePreprocessor(PairPreprocessor):
    """Packs ``[CLS] A [SEP]`` and ``[CLS] B [SEP]``, each truncated to ``max_seq_length``.

    A's tokens have type 0 and B's type 1, as in the joint layout, unless the tokenizer knows only one type.
    """

    layout = LAYOUTS[SEPARATE]

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, Parts], tf.Tensor]:
        """Truncates each text to fit into its own input; see the base class."""
        inputs = {f"{side}_": self._cut_side(side, pieces) for side, pieces in zip(SIDES, (a, b), strict=True)}
        return inputs, (a.sizes > self._room) | (b.sizes > self._room)

    def side(self, side: str, text: tf.Tensor) -> Features:
        """Packs one text per row, ``string [batch]``: returns the encoder's inputs, and `TRUNCATED`."""
        pieces = TokenSpans.of(self.tokenizer.tokenize(text))
        packed = _lay_out(self._cut_side(side, pieces), self.tokenizer, self.max_seq_length)
        return packed | {TRUNCATED: pieces.sizes > self._room}

    @property
    def _room(self) -> int:
        return self.max_seq_length - SPECIAL_IDS_OF_SINGLE

    def _cut_side(self, side: str, pieces: TokenSpans) -> Parts:
        at = self.truncate_a if side == "a" else "end"
        return [(SIDES.index(side), pieces.cut(tf.minimum(pieces.sizes, self._room), at))]

    @staticmethod
    def pieces_cut(lengths: np.ndarray, max_seq_length: int) -> np.ndarray:
        """Counts the lost pieces of texts that have an input each; see the base class."""
        return np.maximum(lengths - (max_seq_length - SPECIAL_IDS_OF_SINGLE), 0).sum(axis=1)


PREPROCESSORS = {preprocessor.layout.name: preprocessor for preprocessor in (JointPreprocessor, SeparatePreprocessor)}


def trim(packed: Features) -> Features:
    """Removes padding that no row needs: cuts the inputs ``[batch, seq]`` of either text to the longest row."""
    masks = {name: mask for name, mask in packed.items() if name.endswith(MASK_INPUT)}
    longest = {name.removesuffix(MASK_INPUT): tf.reduce_max(tf.reduce_sum(mask, 1)) for name, mask in masks.items()}
    return cut(packed, longest)


def pack_singles(tokenizer: BaseTokenizer, texts: tf.Tensor, max_seq_length: int) -> Features:
    """Packs ``[CLS] text [SEP]`` as a graph op: ``string [batch]`` -> ``int32 [batch, seq]`` by encoder input."""
    pieces = TokenSpans.of(tokenizer.tokenize(texts))
    kept = pieces.cut(tf.minimum(pieces.sizes, max_seq_length - SPECIAL_IDS_OF_SINGLE))
    return _lay_out([(0, kept)], tokenizer, max_seq_length)


def _lay_out(parts: Parts, tokenizer: BaseTokenizer, max_seq_length: int) -> Features:
    known = [(min(token_type, tokenizer.token_types - 1), spans) for token_type, spans in parts]
    return lay_out(known, tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, max_seq_length)
