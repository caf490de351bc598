"""WordPiece of google-research/bert as graph ops, for the multilingual BERTs and those that took over its tokenizer.

tensorflow-text's `BertTokenizer` and `FastBertTokenizer` treat control characters, punctuation and long words in other
ways, so a text is split into words by our own regular expressions; the pieces of a word come from
`FastWordpieceTokenizer`.

The result equals that of transformers 5 (`BertTokenizer`) but for 875 of all 1.1 million characters, 375 without
lower-casing. 256 of them are ideographs (U+2B820 to U+2B91F), which are words in google-research/bert and here. The
others were added to Unicode, or moved to another category, after its version 8, which transformers' Rust code knows:
384 accents, 104 marks of punctuation, 115 letters whose lower case or decomposition is new, 13 invisible ones, 3 more.
Python's version of Unicode decides here (3.11: 14), except for lower case and decomposition (TensorFlow's: 13).
"""

from __future__ import annotations

import functools
import sys
import unicodedata
from collections.abc import Sequence, Set

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from keras_negaposi.config.tokenizer_files import WORDPIECE
from keras_negaposi.tokenizers.base import NOT_A_CHARACTER, BaseTokenizer
from keras_negaposi.tokenizers.word_vocabulary import CONTINUES, LONGEST_WORD, UNKNOWN, read_word_vocabulary

Ranges = Sequence[tuple[int, int]]
_LONGEST_IN_BYTES = 4 * LONGEST_WORD
_ASCII_PUNCTUATION = frozenset(map(ord, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))
"""ASCII symbols that count as punctuation although Unicode says otherwise for some, such as ``$`` and ``^``."""
_WHITESPACE = r"[\t\n\r\pZ]"
_IDEOGRAPHS = (
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)),
)
"""First and last code points of Chinese and Japanese ideographs, each of which is a word."""


class WordPieceTokenizer(BaseTokenizer):
    """Tokenizes as google-research/bert and transformers do.

    What looks like a special piece in a text is ordinary text.

    Args:
        vocab_file: ``vocab.txt``.
        do_lower_case: whether to lower-case texts first.
        strip_accents: whether to remove accents; as `do_lower_case` if ``None``.
        tokenize_chinese_chars: whether each Chinese or Japanese ideograph is a word.

    Raises:
        InputError: the file cannot be read, or ``[UNK]``, ``[CLS]`` or ``[SEP]`` is missing.
    """

    def __init__(
        self,
        vocab_file: str,
        do_lower_case: bool = True,
        strip_accents: bool | None = None,
        tokenize_chinese_chars: bool = True,
    ) -> None:
        vocabulary = read_word_vocabulary(vocab_file)
        self.vocabulary = vocabulary.ids
        self.cls_id, self.sep_id, self.pad_id = vocabulary.cls, vocabulary.sep, vocabulary.pad
        self.do_lower_case = do_lower_case
        self._strips_accents = do_lower_case if strip_accents is None else strip_accents
        self._splits_ideographs = tokenize_chinese_chars
        self.digest = vocabulary.digest(
            WORDPIECE, strip_accents=self._strips_accents, tokenize_chinese_chars=tokenize_chinese_chars
        )
        # The op accepts neither equal nor empty rows, and ends a row at NUL, which no word contains. So it numbers the
        # pieces in another way.
        self._pieces = [piece for piece in self.vocabulary if piece not in ("", CONTINUES) and "\0" not in piece]
        self._ids = np.array([self.vocabulary[piece] for piece in self._pieces], np.int32)

    def tokenize(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenizes as graph ops; see the base class."""
        words = tf.strings.split(self._separated(texts))
        is_long = tf.strings.length(words.values, "UTF8_CHAR") > LONGEST_WORD
        pieces = self._segment.tokenize(tf.where(is_long, NOT_A_CHARACTER, words.values))
        ids = pieces.with_values(tf.gather(self._ids, pieces.values))
        return words.with_values(ids).merge_dims(1, 2)

    def _separated(self, texts: tf.Tensor) -> tf.Tensor:
        """Normalizes texts, ``string [batch]``, and puts a space between their words."""
        replace = tf.strings.regex_replace
        texts = replace(replace(texts, _control(), ""), _WHITESPACE, " ")
        if self._splits_ideographs:
            texts = replace(texts, _in_class(_IDEOGRAPHS), r" \0 ")
        if self._strips_accents:
            texts = replace(tf_text.normalize_utf8(texts, "NFD"), _accents(), "")
        if self.do_lower_case:
            # TensorFlow would turn Σ at the end of a word into ς.
            texts = tf.strings.lower(replace(texts, "Σ", "σ"), encoding="utf-8")
        return replace(texts, _punctuation(), r" \0 ")

    @functools.cached_property
    def _segment(self) -> tf_text.FastWordpieceTokenizer:
        with tf.init_scope():  # created once, for all graphs
            return tf_text.FastWordpieceTokenizer(
                vocab=self._pieces,
                suffix_indicator=CONTINUES,
                max_bytes_per_word=_LONGEST_IN_BYTES,
                token_out_type=tf.int32,
                unknown_token=UNKNOWN,
                no_pretokenization=True,
            )


@functools.cache
def _categories() -> list[str]:
    """Returns the category of every code point, such as ``Mn``."""
    return [unicodedata.category(chr(point)) for point in range(sys.maxunicode + 1)]


@functools.cache
def _control() -> str:
    """Returns a regular expression for a character that is removed: invisible, for private use, or a stand-in."""
    return _in_class(_ranges(("Cc", "Cf", "Co"), more={0xFFFD}, without=set(map(ord, "\t\n\r"))))


@functools.cache
def _accents() -> str:
    """Returns a regular expression for an accent, in decomposed text."""
    return _in_class(_ranges(("Mn",)))


@functools.cache
def _punctuation() -> str:
    """Returns a regular expression for a character that is a word of its own."""
    return _in_class(_ranges(("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"), more=_ASCII_PUNCTUATION))


def _ranges(categories: tuple[str, ...], more: Set[int] = frozenset(), without: Set[int] = frozenset()) -> Ranges:
    """Returns the first and last code points of the characters of some categories."""
    ranges: list[tuple[int, int]] = []
    for point, category in enumerate(_categories()):
        if (category in categories or point in more) and point not in without:
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1] = ranges[-1][0], point
            else:
                ranges.append((point, point))
    return ranges


def _in_class(ranges: Ranges) -> str:
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"
