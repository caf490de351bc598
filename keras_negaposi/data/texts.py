"""``honbun_data.json``: title -> text."""

from __future__ import annotations

import hashlib

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import read_json
from checkpoints_tools.common.json_text import check_text
from keras_negaposi.data.pair_files import kind

__all__ = ["check_text", "read_texts"]


def read_texts(path: str) -> dict[str, str]:
    """Reads title -> text.

    Raises:
        InputError: not an object of strings, or empty.
    """
    texts = read_json(path)
    if not isinstance(texts, dict):
        raise InputError(f"{path}: must be one JSON object of title: text, not a {kind(texts)}")
    if not texts:
        raise InputError(f"{path}: no texts in it; add title: text entries")
    for title, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"{path}: the text of {quoted(title)} must be a string, not a {kind(text)}")
    return texts


def text_key(text: str) -> str:
    """A short name of a text's content."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
