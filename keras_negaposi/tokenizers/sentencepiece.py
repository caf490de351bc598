"""SentencePiece as bert-japanese and as XLM-R use it, as one graph for training, evaluation and the exported model."""

from __future__ import annotations

import functools
import hashlib

import numpy as np
import sentencepiece
import tensorflow as tf

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import read_bytes
from checkpoints_tools.formats.tokenizer_files import read_vocabulary
from keras_negaposi.config.tokenizer_files import XLMR
from keras_negaposi.tokenizers.base import NOT_A_CHARACTER, BaseTokenizer
from keras_negaposi.tokenizers.sentencepiece_op import Segmentation

PAD, CLS, SEP = "[PAD]", "[CLS]", "[SEP]"
_SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", PAD, CLS, SEP, "[MASK]")
_PADDING_ID = 0
"""Padding of google-research/bert, whatever the vocabulary says; bert-japanese's ``[PAD]`` has the id 3."""

_FIRST_OF_XLMR = ("<unk>", "<s>", "</s>")
"""The first pieces of XLM-R's SentencePiece models."""
_BEFORE_OF_XLMR = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
"""The first token ids of fairseq's dictionaries. All other pieces are shifted by one."""


class SentencePieceTokenizer(BaseTokenizer):
    """Tokenizes with a SentencePiece model whose pieces have other numbers than the BERT's token ids."""

    _model: bytes
    _model_file: str
    _ids: np.ndarray
    """Token ids by the number of the piece, ``int32 [pieces]``."""

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes as a graph op; see the base class."""
        if self.do_lower_case:
            # TensorFlow's lower-casing ends a text at NUL.
            texts = tf.strings.lower(tf.strings.regex_replace(texts, "\\x00", NOT_A_CHARACTER), encoding="utf-8")
        pieces = self._segment(texts)
        return pieces.with_values(tf.gather(self._ids, pieces.values))

    @functools.cached_property
    def _segment(self) -> Segmentation:
        return Segmentation(self._model, self._model_file)


class Tokenizer(SentencePieceTokenizer):
    """Tokenizes as bert-japanese does.

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
        processor, pieces = _read_model(self._model, model_file)
        _check_same(read_vocabulary(vocab_file), vocab_file, pieces, model_file)
        self.vocabulary = {piece: number for number, piece in enumerate(pieces)}
        self.cls_id, self.sep_id = (self._special_id(piece, vocab_file) for piece in (CLS, SEP))
        self.pad_id = processor.pad_id() if processor.pad_id() >= 0 else _PADDING_ID
        # A special piece that occurs literally in a text becomes the unknown piece.
        ids = [processor.unk_id() if piece in _SPECIAL else number for number, piece in enumerate(pieces)]
        self._ids = np.array(ids, np.int32)

    def _special_id(self, piece: str, vocab_file: str) -> int:
        if piece not in self.vocabulary:
            raise InputError(f"{vocab_file}: {piece} is missing; give the .vocab file that BERT was pre-trained with")
        return self.vocabulary[piece]


class XlmRobertaTokenizer(SentencePieceTokenizer):
    """Tokenizes as XLM-R does, for BERTs such as multilingual-e5-small that took over its vocabulary.

    ``<s>`` and ``</s>`` have the places of ``[CLS]`` and ``[SEP]``, and all tokens have the type 0. In the joint layout
    there is one ``</s>`` between A and B, as BERT has one ``[SEP]``; transformers puts two there.

    Args:
        model_file: SentencePiece model (``sentencepiece.bpe.model``). It has no ``.vocab`` file: token ids follow from
            the numbers of its pieces (`_BEFORE_OF_XLMR`).
        do_lower_case: whether to lower-case texts first.

    Raises:
        InputError: the file cannot be read, or is not such a model.
    """

    token_types = 1

    def __init__(self, model_file: str, do_lower_case: bool = False) -> None:
        self.do_lower_case = do_lower_case
        self._model, self._model_file = read_bytes(model_file), model_file
        self.digest = hashlib.sha256(XLMR.encode() + self._model).digest()
        _, pieces = _read_model(self._model, model_file)
        if tuple(pieces[: len(_FIRST_OF_XLMR)]) != _FIRST_OF_XLMR:
            raise InputError(
                f"{model_file}: its pieces do not begin with {' '.join(_FIRST_OF_XLMR)}, as those of XLM-R do; give "
                "another --tokenizer"
            )
        ids = [_BEFORE_OF_XLMR.get(piece, number + 1) for number, piece in enumerate(pieces)]
        self.vocabulary = _BEFORE_OF_XLMR | dict(zip(pieces, ids, strict=True)) | {"<mask>": len(pieces) + 1}
        self.cls_id, self.sep_id, self.pad_id = (_BEFORE_OF_XLMR[piece] for piece in ("<s>", "</s>", "<pad>"))
        self._ids = np.array(ids, np.int32)


def _read_model(model: bytes, model_file: str) -> tuple[sentencepiece.SentencePieceProcessor, list[str]]:
    """Returns a SentencePiece model, and its pieces in the order of their ids.

    Raises:
        InputError: the file is not a SentencePiece model.
    """
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
        processor.unk_id()
    except (RuntimeError, ValueError, IndexError):
        pieces = []
    if not pieces:
        raise InputError(f"{model_file}: not a SentencePiece model; give the .model file of the pre-training")
    return processor, pieces


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
