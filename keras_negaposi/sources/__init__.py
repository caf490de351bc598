"""What people have, as documents: one file a format, and one line here.

A reader yields `document.Document` one at a time, so that a source need not fit into memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from checkpoints_tools.errors import InputError
from keras_negaposi.json_stream import has_list
from keras_negaposi.sources import folder, markdown, pdf, table
from keras_negaposi.sources.document import Document
from keras_negaposi.sources.honbun import read_honbun
from keras_negaposi.sources.scrapbox import read_scrapbox

READERS: dict[str, Callable[[str, Callable[[str], str]], Iterator[Document]]] = {
    "scrapbox": lambda path, _: read_scrapbox(path),
    "markdown": lambda path, _: markdown.read_markdown(path),
    "folder": lambda path, _: folder.read_folder(path),
    "pdf": lambda path, _: pdf.read_pdf(path),
    "table": table.read_table,
    "honbun": read_honbun,
}
"""Format -> reader of (path, the function that finds the document in a title)."""
FOLDERS = {"markdown": markdown.SUFFIXES, "pdf": pdf.SUFFIXES, "folder": folder.SUFFIXES}


def detect(path: str) -> str:
    """The format of a file or folder.

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder; check the path")
    if os.path.isdir(path):
        for name, suffixes in FOLDERS.items():
            if folder.find_files(path, suffixes):
                return name
        raise InputError(f"{path}: no .md, .pdf or .txt file below it; is this the folder that you meant?")
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "scrapbox" if has_list(path, "pages") else "honbun"
    if suffix in pdf.SUFFIXES:
        return "pdf"
    if suffix in table.SUFFIXES:
        return "table"
    known = ", ".join((".json", *pdf.SUFFIXES, *table.SUFFIXES))
    raise InputError(f"{path}: not one of {known} or a folder; unpack or convert it first")
