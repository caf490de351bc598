"""Tohoku University's tokenizers: MeCab finds the words, WordPiece or characters are their pieces.

Needs the extra ``mecab``. MeCab is a program of its own and no TensorFlow op, so a SavedModel cannot contain it.
"""

from __future__ import annotations

import functools
import os
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.config.tokenizer_files import MECAB_CHARACTER, MECAB_WORDPIECE, MecabOptions
from keras_negaposi.tokenizers.base import BaseTokenizer, Pieces, in_utf8
from keras_negaposi.tokenizers.word_vocabulary import CONTINUES, LONGEST_WORD, read_word_vocabulary

DICTIONARIES = ("ipadic", "unidic_lite")
_WORDS_REMEMBERED = 1 << 16
_ONE_AT_A_TIME = threading.Lock()
"""A tagger keeps the words of its last text, so several threads must not share it."""


class MecabTokenizer(BaseTokenizer):
    """Tokenizes as `BertJapaneseTokenizer` of transformers does.

    Args:
        vocab_file: ``vocab.txt``.
        do_lower_case: whether to lower-case words, after MeCab has found them.
        options: dictionary and further options of MeCab.
        characters: whether the pieces of a word are its characters; otherwise they are found by WordPiece.

    Raises:
        InputError: the file cannot be read, lacks ``[UNK]``, ``[CLS]`` or ``[SEP]``, or MeCab or its dictionary is
            missing.
    """

    in_graph = False

    def __init__(
        self,
        vocab_file: str,
        do_lower_case: bool = False,
        options: MecabOptions | None = None,
        characters: bool = False,
    ) -> None:
        vocabulary, self._options = read_word_vocabulary(vocab_file), options or MecabOptions()
        self.vocabulary = vocabulary.ids
        self.cls_id, self.sep_id, self.pad_id = vocabulary.cls, vocabulary.sep, vocabulary.pad
        self._unknown = vocabulary.unknown
        self.do_lower_case = do_lower_case
        self._characters = characters
        kind = MECAB_CHARACTER if characters else MECAB_WORDPIECE
        self.digest = vocabulary.digest(kind, **vars(self._options))
        _tagger(self._options)  # reports what is missing before anything is tokenized

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes in a graph, by a call of Python; see the base class."""
        values, lengths = tf.numpy_function(self._tokenize_bytes, [texts], (tf.int32, tf.int64))
        values.set_shape([None])
        lengths.set_shape([None])
        return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)

    def encode_arrays(self, texts: Sequence[str]) -> Pieces:
        """Returns the token ids of each text, ``int32 [pieces]``; see the base class."""
        in_utf8(texts)  # rejects halves of surrogate pairs
        return [np.fromiter(self._ids(text), np.int32) for text in texts]

    def _tokenize_bytes(self, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pieces = self.encode_arrays([text.decode("utf-8", "replace") for text in texts])
        return np.concatenate([np.zeros(0, np.int32), *pieces]), np.array([len(ids) for ids in pieces], np.int64)

    def _ids(self, text: str) -> Iterator[int]:
        for word in self._words(text):
            yield from self._pieces_of(word)

    def _words(self, text: str) -> list[str]:
        with _ONE_AT_A_TIME:
            words = [word.surface for word in _tagger(self._options)(self._normalized(text))]
        return [word.lower() for word in words] if self.do_lower_case else words

    def _normalized(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text) if self._options.normalize_text else text

    @functools.cached_property
    def _pieces_of(self) -> Callable[[str], tuple[int, ...]]:
        """Maps a word to its token ids."""
        return functools.lru_cache(_WORDS_REMEMBERED)(self._split_characters if self._characters else self._split)

    def _split_characters(self, word: str) -> tuple[int, ...]:
        return tuple(self.vocabulary.get(character, self._unknown) for character in unicodedata.normalize("NFKC", word))

    def _split(self, word: str) -> tuple[int, ...]:
        return tuple(piece for part in word.split() for piece in self._longest_pieces(part))

    def _longest_pieces(self, word: str) -> list[int]:
        """Divides a word into the longest pieces from its start; it is unknown if something is left over."""
        ids: list[int] = []
        start, end = 0, len(word)
        while start < len(word) <= LONGEST_WORD:
            piece = CONTINUES * (start > 0) + word[start:end]
            if piece in self.vocabulary:
                ids.append(self.vocabulary[piece])
                start, end = end, len(word)
            else:
                end -= 1
            if end == start < len(word):
                return [self._unknown]
        return ids or [self._unknown]


@functools.cache
def _tagger(options: MecabOptions) -> Callable[[str], list[Any]]:
    """Loads MeCab with a dictionary.

    Raises:
        InputError: a package is missing, or MeCab does not accept the options.
    """
    if options.mecab_dic not in (None, *DICTIONARIES):
        raise InputError(
            f"tokenizer_config.json: mecab_dic {quoted(options.mecab_dic)} is not one of {', '.join(DICTIONARIES)}; "
            "correct it"
        )
    try:
        fugashi = import_module("fugashi")
        folder = import_module(options.mecab_dic).DICDIR if options.mecab_dic else None
    except ModuleNotFoundError as error:
        raise InputError(
            f"this BERT's tokenizer needs MeCab ({error.name}); pip install 'keras_negaposi[mecab]'"
        ) from None
    files = f'-d "{folder}" -r "{os.path.join(folder, "mecabrc")}" ' if folder else ""
    try:
        return fugashi.GenericTagger(files + (options.mecab_option or ""))
    except RuntimeError:
        given = f"mecab_option {quoted(options.mecab_option or '')}, mecab_dic {options.mecab_dic}"
        raise InputError(f"{given}: MeCab does not start with these; correct tokenizer_config.json") from None
