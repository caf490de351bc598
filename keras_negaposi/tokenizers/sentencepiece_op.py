"""SentencePiece as a TensorFlow op, so that records, evaluation and the exported model tokenize a text identically.

tensorflow-text has two such ops. `FastSentencepieceTokenizer` takes half the time and agrees with the Python package,
even where scores tie, but only for unigram models with SentencePiece's usual normalization: it silently ignores BPE,
byte fallback and some normalizations. `SentencepieceTokenizer` supports all models, but breaks ties differently (in 17
of 31,007 real texts: runs of digits, dots or dashes).
"""

from __future__ import annotations

import random

import sentencepiece
import tensorflow as tf
import tensorflow_text as tf_text

from checkpoints_tools.common.errors import InputError

TRIALS = 1000
PIECES_A_TRIAL = 8
ODD = ("\t", "\n", " ", "  ", "\u3000", "\xa0", "Ａ", "ｶﾞ", "e\u0301", "①", "\u200b", "\x7f", "\U000e0021", "111", "---")
"""Strings that tokenizers may treat differently: whitespace, what Unicode normalization changes, unknown characters."""


class Segmentation:
    """Tokenizes texts into the token ids of a SentencePiece model, by the fast op where it agrees with Python's.

    Args:
        model: content of the model file.
        file: path of the file, for error messages.

    Raises:
        InputError: TensorFlow cannot use the model.
    """

    def __init__(self, model: bytes, file: str) -> None:
        self._model = model
        try:
            with tf.init_scope():  # created once, for all graphs
                fast = tf_text.FastSentencepieceTokenizer(model)
            self._fast = fast if _agrees_with_python(fast, model) else None
        except (RuntimeError, ValueError, tf.errors.OpError):
            raise InputError(f"{file}: damaged SentencePiece model; give the .model file of the pre-training") from None

    @property
    def is_fast(self) -> bool:
        """Whether the fast op supports this model."""
        return self._fast is not None

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes as a graph op: ``string [batch]`` (UTF-8) -> ragged ``int32 [batch, (pieces)]``."""
        return (self._fast or tf_text.SentencepieceTokenizer(self._model, out_type=tf.int32)).tokenize(texts)


def _agrees_with_python(fast: tf_text.FastSentencepieceTokenizer, model: bytes) -> bool:
    """Compares both on random texts made of the model's own pieces and of `ODD` strings."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number).replace("▁", " ") for number in range(processor.get_piece_size())]
    rng = random.Random(0)  # noqa: S311
    texts = [
        "".join(rng.choice(ODD if rng.random() < 0.2 else pieces) for _ in range(rng.randint(1, PIECES_A_TRIAL)))
        for _ in range(TRIALS)
    ]
    with tf.init_scope():
        ids = fast.tokenize(tf.constant([text.encode() for text in texts])).to_list()
    return ids == processor.encode(texts)
