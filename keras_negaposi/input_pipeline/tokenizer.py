"""SentencePiece as bert-japanese uses it, as one graph for training, evaluation and the exported model."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import sentencepiece
import tensorflow as tf

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.formats.tokenizer_files import read_vocabulary
from keras_negaposi.input_pipeline.sentencepiece_op import Segmentation
from keras_negaposi.runtime.executors import Engine
from keras_negaposi.runtime.tf_functions import traced

PAD, CLS, SEP = "[PAD]", "[CLS]", "[SEP]"
PADDING_ID = 0
"""Padding of google-research/bert. A piece may have the same id, so masks are computed from lengths."""
_SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", PAD, CLS, SEP, "[MASK]")
_NUL_STAND_IN = "\uffff"
"""Replaces NUL, at which TensorFlow's lower-casing ends a text. No vocabulary contains this noncharacter, nor NUL."""

BATCH = 1024
"""Texts tokenized in one call."""
Pieces = list[np.ndarray]
"""Token ids of texts, ``int32 [pieces]`` each, without special ids."""


class Tokenizer:
    """Tokenizes texts into token ids.

    Lower-casing in the graph differs from Python's ``str.lower`` only for 40 capital letters that Unicode added after
    version 13 (Vithkuqi, Glagolitic), which no vocabulary of that time contains.

    Args:
        model_file: SentencePiece model (``wiki-ja.model``).
        vocab_file: its vocabulary, one ``piece<TAB>score`` per row; a piece's id is the number of its row, from 0.
        do_lower_case: whether to lower-case texts first (special pieces never are).

    Raises:
        InputError: a file cannot be read, the files do not belong together, or ``[CLS]`` or ``[SEP]`` is missing.
    """

    def __init__(self, model_file: str, vocab_file: str, do_lower_case: bool = True) -> None:
        self.do_lower_case = do_lower_case
        self._model, self._model_file = read_bytes(model_file), model_file
        # SHA-256 of both files, one after the other.
        self.digest = b"".join(hashlib.sha256(content).digest() for content in (self._model, read_bytes(vocab_file)))
        pieces, unknown_id = _read_model(self._model, model_file)
        _check_same(read_vocabulary(vocab_file), vocab_file, pieces, model_file)
        self.vocabulary = {piece: number for number, piece in enumerate(pieces)}
        self.cls_id, self.sep_id = (self._special_id(piece, vocab_file) for piece in (CLS, SEP))
        # A special piece that occurs literally in a text becomes the unknown piece.
        ids = [unknown_id if piece in _SPECIAL else number for number, piece in enumerate(pieces)]
        self._ids = np.array(ids, np.int32)

    def __getstate__(self) -> dict[str, object]:
        """Returns what another process needs, so that it does not read the files."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_encode", "_segment")}

    @property
    def vocab_size(self) -> int:
        """The highest id plus one."""
        return max(self.vocabulary.values()) + 1

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes as a graph op: ``string [batch]`` (UTF-8) -> ragged ``int32 [batch, (pieces)]``, no special ids."""
        if self.do_lower_case:
            texts = tf.strings.lower(tf.strings.regex_replace(texts, "\\x00", _NUL_STAND_IN), encoding="utf-8")
        pieces = self._segment(texts)
        return pieces.with_values(tf.gather(self._ids, pieces.values))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text, without special ids.

        Raises:
            InputError: a text contains half a surrogate pair.
        """
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Returns the token ids of each text as ``int32 [pieces]``; several threads may call it at once.

        Raises:
            InputError: a text contains half a surrogate pair.
        """
        if not texts:
            return []
        try:
            raw = [text.encode("utf-8") for text in texts]
        except UnicodeEncodeError as error:
            raise InputError(f"text {quoted(error.object)}: contains half a surrogate pair; remove it") from None
        pieces = self._encode(tf.constant(raw))
        return np.split(pieces.values.numpy(), pieces.row_splits.numpy()[1:-1])

    @functools.cached_property
    def _segment(self) -> Segmentation:
        return Segmentation(self._model, self._model_file)

    @functools.cached_property
    def _encode(self) -> tf.types.experimental.PolymorphicFunction:
        """`tokenize` as a graph, traced once so that the model is parsed once."""
        return traced(self.tokenize, [tf.TensorSpec([None], tf.string)])

    def _special_id(self, piece: str, vocab_file: str) -> int:
        if piece not in self.vocabulary:
            raise InputError(f"{vocab_file}: {piece} is missing; give the .vocab file that BERT was pre-trained with")
        return self.vocabulary[piece]


def tokenize_texts(
    tokenizer: Tokenizer, texts: dict[str, str], titles: Iterable[str], engine: Engine[Sequence[str], Pieces]
) -> dict[str, np.ndarray]:
    """Tokenizes the texts of some titles, each once however many pairs it is in.

    Returns:
        Token ids by title, ``int32 [pieces]`` each, without special ids.
    """
    wanted = list(dict.fromkeys(titles))
    batches = [[texts[title] for title in wanted[start : start + BATCH]] for start in range(0, len(wanted), BATCH)]
    pieces: Pieces = []
    tick = Ticker("tokenizing the texts", len(wanted))
    for batch in engine(functools.partial(_encoder_of, tokenizer), batches):
        pieces += batch
        tick(len(pieces))
    return dict(zip(wanted, pieces, strict=True))


def _encoder_of(tokenizer: Tokenizer) -> Callable[[Sequence[str]], Pieces]:
    return tokenizer.encode_arrays


def _read_model(model: bytes, model_file: str) -> tuple[list[str], int]:
    """Returns a SentencePiece model's pieces in the order of their ids, and the id of the unknown piece.

    Raises:
        InputError: the file is not a SentencePiece model.
    """
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
        unknown_id = processor.unk_id()
    except (RuntimeError, ValueError, IndexError):
        pieces = []
    if not pieces:
        raise InputError(f"{model_file}: not a SentencePiece model; give the .model file of the pre-training")
    return pieces, unknown_id


def _check_same(rows: list[str], vocab_file: str, pieces: list[str], model_file: str) -> None:
    """Checks that the vocabulary's rows are the model's pieces, in the same order.

    Raises:
        InputError: a row differs, or the numbers of rows and pieces do.
    """
    fix = "give the .model and .vocab files of one pre-training"
    for number, (row, piece) in enumerate(zip(rows, pieces, strict=False), 1):
        if row != piece:
            raise InputError(
                f"{vocab_file}: row {number} is {quoted(row)}, but piece {number} of {model_file} is {quoted(piece)}; "
                f"{fix}"
            )
    if len(rows) != len(pieces):
        raise InputError(f"{vocab_file}: {len(rows):,} rows, but {model_file} has {len(pieces):,} pieces; {fix}")
