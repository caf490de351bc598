"""Reads ``honbun_data.json``, the format of the texts themselves: one JSON object, title -> text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.data.json_stream import stream_members
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.page_order import order_pages


def read_honbun(path: str, document: Callable[[str], str]) -> Iterator[Document]:
    """Yields the texts as documents, grouped and ordered by `order_pages`.

    Raises:
        InputError: the file is not an object of strings.
    """

    def rows() -> Iterator[tuple[str, str]]:
        for title, text in stream_members(path):
            if not isinstance(text, str):
                raise InputError(f"{path}: the text of {quoted(title)} must be a string, not {quoted(text)}")
            yield title, text

    yield from order_pages(rows(), document)
