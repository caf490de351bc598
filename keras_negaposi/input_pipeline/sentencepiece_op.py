"""SentencePiece as an op, so that records, evaluation and the exported model cut a text alike.

tensorflow-text has two. `FastSentencepieceTokenizer` takes half of the other's time and gives what Python's package
gives, to the last tie of scores; but only of unigram models with SentencePiece's usual normalization. Of BPE, of byte
fallback and of some normalizations it knows nothing, and does not say so. `SentencepieceTokenizer` does them all, and
breaks ties in its own way (17 of 31,007 real texts: runs of digits, dots or dashes).
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
"""Whitespace, what Unicode's normal forms change, and what is in no vocabulary."""


class Segmentation:
    """Texts to the ids that a SentencePiece model gives its pieces.

    Args:
        model: the file's bytes.
        file: what an error names.

    Raises:
        InputError: TensorFlow cannot use the model.
    """

    def __init__(self, model: bytes, file: str) -> None:
        self._model = model
        try:
            with tf.init_scope():  # once, for all graphs
                fast = tf_text.FastSentencepieceTokenizer(model)
            self._fast = fast if _gives_what_python_gives(fast, model) else None
        except (RuntimeError, ValueError, tf.errors.OpError):
            raise InputError(
                f"{file}: a damaged SentencePiece model; give the .model file of the pre-training"
            ) from None

    @property
    def is_fast(self) -> bool:
        """Whether the quick op does this model."""
        return self._fast is not None

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Graph op: ``string [batch]`` (UTF-8) -> ragged ``int32 [batch, (pieces)]``."""
        return (self._fast or tf_text.SentencepieceTokenizer(self._model, out_type=tf.int32)).tokenize(texts)


def _gives_what_python_gives(fast: tf_text.FastSentencepieceTokenizer, model: bytes) -> bool:
    """Tries texts that are made of the model's own pieces and of odd characters."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number).replace("▁", " ") for number in range(processor.get_piece_size())]
    draw = random.Random(0)  # noqa: S311
    texts = [
        "".join(draw.choice(ODD if draw.random() < 0.2 else pieces) for _ in range(draw.randint(1, PIECES_A_TRIAL)))
        for _ in range(TRIALS)
    ]
    with tf.init_scope():
        found = fast.tokenize(tf.constant([text.encode() for text in texts])).to_list()
    return found == processor.encode(texts)
