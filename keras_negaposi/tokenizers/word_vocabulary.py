"""Reads ``vocab.txt``, the vocabulary of WordPiece: one piece per row, whose token id is the number of the row."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, read_text

PAD, UNKNOWN, CLS, SEP = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
CONTINUES = "##"
"""Begins a piece that continues a word."""
LONGEST_WORD = 100
"""In characters; a longer word is unknown, as in transformers. google-research/bert has 200."""


@dataclasses.dataclass(frozen=True)
class WordVocabulary:
    """A vocabulary with its special ids.

    Attributes:
        ids: piece -> token id; of equal rows the last one counts, as in transformers.
        unknown: token id of words that cannot be tokenized.
        cls: token id before the first text.
        sep: token id after each text.
        pad: token id of padding; 0 where the vocabulary has none.
        content: SHA-256 of the file.
    """

    ids: dict[str, int]
    unknown: int
    cls: int
    sep: int
    pad: int
    content: bytes

    def digest(self, kind: str, **options: object) -> bytes:
        """Returns a hash of the file, the kind of the tokenizer and its options."""
        return hashlib.sha256(self.content + json.dumps([kind, options], sort_keys=True).encode()).digest()


def read_word_vocabulary(path: str) -> WordVocabulary:
    """Reads a ``vocab.txt``.

    Raises:
        InputError: the file cannot be read, or ``[UNK]``, ``[CLS]`` or ``[SEP]`` is missing.
    """
    text = read_text(path).replace("\r\n", "\n").replace("\r", "\n")
    ids = {piece: number for number, piece in enumerate(text.removesuffix("\n").split("\n"))}
    for piece in (UNKNOWN, CLS, SEP):
        if piece not in ids:
            raise InputError(f"{path}: {piece} is missing; give the vocab.txt that BERT was pre-trained with")
    content = hashlib.sha256(read_bytes(path)).digest()
    return WordVocabulary(ids, ids[UNKNOWN], ids[CLS], ids[SEP], ids.get(PAD, 0), content)
