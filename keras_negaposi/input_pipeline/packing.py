"""Turns texts into the model's inputs, as graph ops: the same for records, evaluation and the exported model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig
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
from keras_negaposi.input_pipeline.token_spans import Part, TokenSpans, lay_out, trim_pair
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.tokenizers.base import BaseTokenizer

SPECIAL_IDS_OF_PAIR = 3  # [CLS] A [SEP] B [SEP]
SPECIAL_IDS_OF_SINGLE = 2  # [CLS] text [SEP]
OF_INPUTS = ("max_seq_length", "truncate_a", "prefix_a", "prefix_b")
"""Options from which a `PairPreprocessor` is made."""


@dataclasses.dataclass(frozen=True)
class PairPreprocessor:
    """Turns pairs of texts into `InputLayout.inputs`.

    Args:
        tokenizer: tokenizer of both texts.
        max_seq_length: length of an input in pieces.
        truncate_a: where a long A is truncated: at its ``"end"``, as in the original, or at its ``"start"``, which
            keeps the pieces next to B. Both keep the same number of pieces. B is always truncated at its end.
        prefix_a: words before every A, which are never truncated, such as E5's ``"query: "``.
        prefix_b: words before every B.
    """

    tokenizer: BaseTokenizer
    max_seq_length: int
    truncate_a: str = "end"
    prefix_a: str | None = None
    prefix_b: str | None = None

    layout: ClassVar[InputLayout]
    special_ids: ClassVar[int]
    """Special ids of a pair, in all its inputs."""

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

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, list[Part]], tf.Tensor]:
        """Returns the truncated texts of each input by the start of its name, and `TRUNCATED`, ``bool [batch]``."""
        raise NotImplementedError

    def pieces_cut(self, lengths: np.ndarray) -> np.ndarray:
        """Returns how many pieces each pair loses, ``int [pairs]``, from the lengths of A and B, ``int [pairs, 2]``."""
        raise NotImplementedError

    @property
    def room(self) -> tuple[int, ...]:
        """Returns how many pieces of text fit into each input."""
        raise NotImplementedError

    @functools.cached_property
    def prefixes(self) -> dict[str, tuple[int, ...]]:
        """The token ids of the prefix by side; tokenized alone, so that no text changes them."""
        with tf.init_scope():  # they are constants also where a graph is being traced
            ids = self.tokenizer.encode([self.prefix_a or "", self.prefix_b or ""])
        return dict(zip(SIDES, map(tuple, ids), strict=True))

    @functools.cached_property
    def traced(self) -> tf.types.experimental.PolymorphicFunction:
        """`__call__` as a graph, traced once for batches of any size."""
        return traced(self.__call__, [tf.TensorSpec([None], tf.string)] * 2)


class JointPreprocessor(PairPreprocessor):
    """Packs ``[CLS] A [SEP] B [SEP]``; the longer text is truncated until the pair fits."""

    layout = LAYOUTS[JOINT]
    special_ids = SPECIAL_IDS_OF_PAIR

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, list[Part]], tf.Tensor]:
        """Truncates the longer text until both fit into one input; see the base class."""
        (room,) = self.room
        size_a, size_b = trim_pair(a.sizes, b.sizes, room)
        spans = (a.cut(size_a, self.truncate_a), b.cut(size_b))
        parts = [Part(i, spans[i], self.prefixes[side]) for i, side in enumerate(SIDES)]
        return {"": parts}, a.sizes + b.sizes > room

    def pieces_cut(self, lengths: np.ndarray) -> np.ndarray:
        """Counts the lost pieces of pairs that share one input; see the base class."""
        return np.maximum(lengths.sum(axis=1) - self.room[0], 0)

    @property
    def room(self) -> tuple[int, ...]:
        """Returns how many pieces A and B have together."""
        return (self.max_seq_length - SPECIAL_IDS_OF_PAIR - sum(map(len, self.prefixes.values())),)


class SeparatePreprocessor(PairPreprocessor):
    """Packs ``[CLS] A [SEP]`` and ``[CLS] B [SEP]``, each truncated to ``max_seq_length``.

    A's tokens have type 0 and B's type 1, as in the joint layout, unless the tokenizer knows only one type.
    """

    layout = LAYOUTS[SEPARATE]
    special_ids = 2 * SPECIAL_IDS_OF_SINGLE

    def cut(self, a: TokenSpans, b: TokenSpans) -> tuple[dict[str, list[Part]], tf.Tensor]:
        """Truncates each text to fit into its own input; see the base class."""
        inputs = {f"{side}_": [self._cut_side(side, pieces)] for side, pieces in zip(SIDES, (a, b), strict=True)}
        room_a, room_b = self.room
        return inputs, (a.sizes > room_a) | (b.sizes > room_b)

    def side(self, side: str, text: tf.Tensor) -> Features:
        """Packs one text per row, ``string [batch]``: returns the encoder's inputs, and `TRUNCATED`."""
        pieces = TokenSpans.of(self.tokenizer.tokenize(text))
        packed = _lay_out([self._cut_side(side, pieces)], self.tokenizer, self.max_seq_length)
        return packed | {TRUNCATED: pieces.sizes > self.room[SIDES.index(side)]}

    @property
    def room(self) -> tuple[int, ...]:
        """Returns how many pieces A and B have."""
        return tuple(self.max_seq_length - SPECIAL_IDS_OF_SINGLE - len(self.prefixes[side]) for side in SIDES)

    def _cut_side(self, side: str, pieces: TokenSpans) -> Part:
        number, at = SIDES.index(side), self.truncate_a if side == "a" else "end"
        return Part(number, pieces.cut(tf.minimum(pieces.sizes, self.room[number]), at), self.prefixes[side])

    def pieces_cut(self, lengths: np.ndarray) -> np.ndarray:
        """Counts the lost pieces of texts that have an input each; see the base class."""
        return np.maximum(lengths - np.array(self.room), 0).sum(axis=1)


PREPROCESSORS = {preprocessor.layout.name: preprocessor for preprocessor in (JointPreprocessor, SeparatePreprocessor)}


def make_preprocessor(config: DataConfig, tokenizer: BaseTokenizer, layout: str) -> PairPreprocessor:
    """Returns the preprocessor of an input layout.

    Raises:
        InputError: the prefixes leave no room for text.
    """
    made = PREPROCESSORS[layout](tokenizer, *(getattr(config, name) for name in OF_INPUTS))
    if min(made.room) < len(SIDES):
        a, b = map(len, made.prefixes.values())
        raise InputError(
            f"--max_seq_length {config.max_seq_length}: --prefix_a has {a} pieces and --prefix_b has {b}, which leaves "
            "no room for the texts; increase it"
        )
    return made


def trim(packed: Features) -> Features:
    """Removes padding that no row needs: cuts the inputs ``[batch, seq]`` of either text to the longest row."""
    masks = {name: mask for name, mask in packed.items() if name.endswith(MASK_INPUT)}
    longest = {name.removesuffix(MASK_INPUT): tf.reduce_max(tf.reduce_sum(mask, 1)) for name, mask in masks.items()}
    return cut(packed, longest)


def pack_singles(tokenizer: BaseTokenizer, texts: tf.Tensor, max_seq_length: int) -> Features:
    """Packs ``[CLS] text [SEP]`` as a graph op: ``string [batch]`` -> ``int32 [batch, seq]`` by encoder input."""
    pieces = TokenSpans.of(tokenizer.tokenize(texts))
    kept = pieces.cut(tf.minimum(pieces.sizes, max_seq_length - SPECIAL_IDS_OF_SINGLE))
    return _lay_out([Part(0, kept)], tokenizer, max_seq_length)


def _lay_out(parts: Sequence[Part], tokenizer: BaseTokenizer, max_seq_length: int) -> Features:
    last = tokenizer.token_types - 1
    known = [dataclasses.replace(part, token_type=min(part.token_type, last)) for part in parts]
    return lay_out(known, tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id, max_seq_length)
