"""SentencePiece as bert-japanese uses it, as one graph for training, evaluation and the exported model."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import sentencepiece
import tensorflow as tf

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import read_bytes, read_text
from keras_negaposi.graphs import traced
from keras_negaposi.segmentation import Segmentation

PAD, CLS, SEP = "[PAD]", "[CLS]", "[SEP]"
UNKNOWN_ID = 0
"""bert-japanese gives id 0 to a piece outside the vocabulary. Padding is 0 too, so masks come from lengths."""
PADDING_ID = 0
_SPECIAL = ("<unk>", "<s>", "</s>", PAD, CLS, SEP, "[MASK]")
_NUL_STAND_IN = "\uffff"
"""TensorFlow's lower-casing ends a text at NUL. This noncharacter is as unknown to any vocabulary as NUL is."""


class Tokenizer:
    """Text to piece ids.

    Python's ``str.lower`` and the graph's differ in 40 capital letters that Unicode added after version 13
    (Vithkuqi, Glagolitic), which no vocabulary of that time holds.

    Args:
        model_file: SentencePiece model (``wiki-ja.model``).
        vocab_file: its vocabulary, ``piece<TAB>score`` a line; a piece's id is its line, from 0.
        do_lower_case: lower-case the text first (never the special pieces).

    Raises:
        InputError: a file cannot be read, the two do not belong together, or ``[CLS]`` or ``[SEP]`` is missing.
    """

    def __init__(self, model_file: str, vocab_file: str, do_lower_case: bool = True) -> None:
        self.do_lower_case = do_lower_case
        self.vocabulary = read_vocabulary(vocab_file)
        self.cls_id, self.sep_id = (self._special_id(piece, vocab_file) for piece in (CLS, SEP))
        self._model = read_bytes(model_file)
        pieces = _read_pieces(self._model, model_file, self.vocabulary, vocab_file)
        # A text that spells out a special piece stays ordinary text.
        ordinary = {piece: number for piece, number in self.vocabulary.items() if piece not in _SPECIAL}
        self._ids = np.array([ordinary.get(piece, UNKNOWN_ID) for piece in pieces], np.int32)

    def __getstate__(self) -> dict[str, object]:
        """What another process needs, without the files."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_encode", "_segment")}

    @property
    def vocab_size(self) -> int:
        """One more than the highest id."""
        return max(self.vocabulary.values()) + 1

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Graph op: ``string [batch]`` (UTF-8) -> ragged ``int32 [batch, (pieces)]``, special ids not included."""
        if self.do_lower_case:
            texts = tf.strings.lower(tf.strings.regex_replace(texts, "\\x00", _NUL_STAND_IN), encoding="utf-8")
        pieces = self._segment(texts)
        return pieces.with_values(tf.gather(self._ids, pieces.values))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, special ids not included.

        Raises:
            InputError: a text holds half a surrogate pair.
        """
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[np.ndarray]:
        """`encode` as ``int32 [pieces]`` each; several threads may call it at once.

        Raises:
            InputError: as `encode`.
        """
        if not texts:
            return []
        try:
            raw = [text.encode("utf-8") for text in texts]
        except UnicodeEncodeError as error:
            raise InputError(f"text {error.object!r:.60}: half a surrogate pair in it; remove it") from None
        pieces = self._encode(tf.constant(raw))
        return np.split(pieces.values.numpy(), pieces.row_splits.numpy()[1:-1])

    @functools.cached_property
    def _segment(self) -> Segmentation:
        return Segmentation(self._model)

    @functools.cached_property
    def _encode(self) -> tf.types.experimental.PolymorphicFunction:
        """`tokenize`, traced once so that the model is parsed once."""
        return traced(self.tokenize, [tf.TensorSpec([None], tf.string)])

    def _special_id(self, piece: str, vocab_file: str) -> int:
        if piece not in self.vocabulary:
            raise InputError(f"{vocab_file}: no {piece} in it; give the .vocab file that BERT was pre-trained with")
        return self.vocabulary[piece]


def read_vocabulary(path: str) -> dict[str, int]:
    """Reads ``piece<TAB>score`` lines: piece -> line number from 0.

    Raises:
        InputError: unreadable, empty, a line without a tab, or a piece that stands twice.
    """
    vocabulary: dict[str, int] = {}
    # Not splitlines(): a piece may be one of the odd characters that it takes for a line's end.
    for number, line in enumerate(read_text(path).removesuffix("\n").split("\n")):
        piece, tab, _ = line.partition("\t")
        piece = piece.strip()
        if not tab:
            raise InputError(f"{path}: line {number + 1} is not piece<TAB>score; give SentencePiece's .vocab file")
        if piece in vocabulary:
            raise InputError(f'{path}: line {number + 1} repeats the piece "{piece}"; each may stand once')
        vocabulary[piece] = number
    return vocabulary


def _read_pieces(model: bytes, model_file: str, vocabulary: dict[str, int], vocab_file: str) -> list[str]:
    """The model's pieces by its own ids.

    Raises:
        InputError: it is no SentencePiece model, or another's than the vocabulary.
    """
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    except (RuntimeError, ValueError):
        pieces = []
    if not pieces:
        raise InputError(f"{model_file}: not a SentencePiece model; give the .model file of the pre-training")
    known = sum(piece.strip() in vocabulary for piece in pieces)
    if 2 * known < len(pieces):
        raise InputError(
            f"{vocab_file}: only {known:,} of the {len(pieces):,} pieces of {model_file} are in it; "
            "give the .model and .vocab files of one pre-training"
        )
    return pieces
