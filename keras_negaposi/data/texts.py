"""Reads ``honbun_data.json``, a JSON object title -> text."""

from __future__ import annotations

import hashlib

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import read_json
from checkpoints_tools.common.json_text import check_text
from keras_negaposi.data.pair_files import kind

__all__ = ["check_text", "read_texts"]


def read_texts(path: str) -> dict[str, str]:
    """Reads the texts by title.

    Raises:
        InputError: the file is not a JSON object of strings, or is empty.
    """
    texts = read_json(path)
    if not isinstance(texts, dict):
        raise InputError(f"{path}: must be one JSON object of title: text, not a {kind(texts)}")
    if not texts:
        raise InputError(f"{path}: contains no texts; add title: text entries")
    for title, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f"{path}: the text of {quoted(title)} must be a string, not a {kind(text)}")
    return texts


def text_key(text: str) -> str:
    """Returns a short key that identifies a text by its content (96 bits of its SHA-256)."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]
