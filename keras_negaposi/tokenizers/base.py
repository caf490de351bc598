"""What every tokenizer can do, and tokenizing many texts."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.runtime.executors import Engine
from keras_negaposi.runtime.tf_functions import traced

BATCH = 1024
"""Texts tokenized in one call."""
Pieces = list[np.ndarray]
"""Token ids of texts, ``int32 [pieces]`` each, without special ids."""
NOT_A_CHARACTER = "\uffff"
"""No text and no vocabulary contains this noncharacter, so it can stand for what has no token."""


class BaseTokenizer(abc.ABC):
    """Tokenizes texts into token ids. It can be pickled, so that other processes tokenize without reading its files.

    Attributes:
        vocabulary: piece -> token id.
        cls_id: token id before the first text.
        sep_id: token id after each text.
        pad_id: token id of padding. A piece may have the same id, so masks are computed from lengths.
        do_lower_case: whether texts are lower-cased first.
        digest: hash of the files, and of every option except `do_lower_case` that changes the token ids.
        token_types: number of different token types: 2 where B's tokens have type 1, 1 where all have type 0.
        in_graph: whether `tokenize` consists of TensorFlow ops alone, so that a SavedModel can contain it.
    """

    vocabulary: dict[str, int]
    cls_id: int
    sep_id: int
    pad_id: int
    do_lower_case: bool
    digest: bytes
    token_types: int = 2
    in_graph: bool = True

    def __getstate__(self) -> dict[str, object]:
        """Returns what another process needs: everything but what is built on first use."""
        cached = {name for cls in type(self).__mro__ for name, value in vars(cls).items() if _is_cached(value)}
        return {name: value for name, value in self.__dict__.items() if name not in cached}

    @property
    def vocab_size(self) -> int:
        """The highest id plus one."""
        return max(self.vocabulary.values()) + 1

    @abc.abstractmethod
    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes in a graph: ``string [batch]`` (UTF-8) -> ragged ``int32 [batch, (pieces)]``, no special ids."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the token ids of each text, without special ids.

        Raises:
            InputError: a text contains half a surrogate pair.
        """
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> Pieces:
        """Returns the token ids of each text as ``int32 [pieces]``; several threads may call it at once.

        Raises:
            InputError: a text contains half a surrogate pair.
        """
        if not texts:
            return []
        pieces = self._encode(tf.constant(in_utf8(texts)))
        return np.split(pieces.values.numpy(), pieces.row_splits.numpy()[1:-1])

    @functools.cached_property
    def _encode(self) -> tf.types.experimental.ConcreteFunction:
        """`tokenize` as a graph, traced once so that the model is parsed once.

        It is the concrete function, because TensorFlow counts the traces of all tokenizers together and would warn of
        the fifth.
        """
        return traced(self.tokenize, [tf.TensorSpec([None], tf.string)]).get_concrete_function()


def in_utf8(texts: Sequence[str]) -> list[bytes]:
    """Returns texts in UTF-8.

    Raises:
        InputError: a text contains half a surrogate pair.
    """
    try:
        return [text.encode("utf-8") for text in texts]
    except UnicodeEncodeError as error:
        raise InputError(f"text {quoted(error.object)}: contains half a surrogate pair; remove it") from None


def tokenize_texts(
    tokenizer: BaseTokenizer, texts: dict[str, str], titles: Iterable[str], engine: Engine[Sequence[str], Pieces]
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


def _encoder_of(tokenizer: BaseTokenizer) -> Callable[[Sequence[str]], Pieces]:
    return tokenizer.encode_arrays


def _is_cached(value: object) -> bool:
    return isinstance(value, functools.cached_property)
