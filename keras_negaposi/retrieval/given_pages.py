"""Pages that a program gives in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.texts import check_text


def given_pages(texts: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    """Returns the texts by title; the titles of texts without any are their positions, "0", "1", ...

    Raises:
        InputError: there is no text, or a title or a text is not a valid string; names it.
    """
    if isinstance(texts, str):
        raise InputError("texts: is one string; give a list of texts, or a dict of title: text")
    numbered = ((str(number), text) for number, text in enumerate(texts))
    pages = dict(texts.items() if isinstance(texts, Mapping) else numbered)
    if not pages:
        raise InputError("texts: there are none; give at least one")
    for title, text in pages.items():
        for name, value in (("title", title), ("text", text)):
            if not isinstance(value, str):
                raise InputError(f"texts: the {name} of page {quoted(title)} must be a string, not {quoted(value)}")
            check_text(value, f"texts: the {name} of page {ascii(title)}")
    return pages
