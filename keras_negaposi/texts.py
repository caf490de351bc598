"""``honbun_data.json``: title -> text."""

from __future__ import annotations

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import read_json
from keras_negaposi.pair_rows import kind


def read_texts(path: str) -> dict[str, str]:
    """Reads title -> text.

    Raises:
        InputError: not an object of strings, empty, or a text that UTF-8 cannot hold.
    """
    texts = read_json(path)
    if not isinstance(texts, dict):
        raise InputError(f"{path}: must be one JSON object of title: text, not a {kind(texts)}")
    if not texts:
        raise InputError(f"{path}: no texts in it; add title: text entries")
    for title, text in texts.items():
        if not isinstance(text, str):
            raise InputError(f'{path}: the text of "{title}" must be a string, not a {kind(text)}')
        check_text(text, f'{path}: the text of "{title}"')
    return texts


def check_text(text: str, place: str) -> None:
    r"""Refuses lone surrogates (``"\ud800"`` in JSON), which are no text and cannot be tokenized.

    Raises:
        InputError: names ``place`` and the character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: character {error.start + 1} is half a surrogate pair; remove it") from None
