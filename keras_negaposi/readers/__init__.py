"""Readers of notes, exports, slides and tables; each format has one module here and one entry in `READERS`.

A reader yields one `document.Document` at a time, so a source need not fit into memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote, opened
from keras_negaposi.data.json_stream import has_list
from keras_negaposi.readers import folder, markdown, pdf, table
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.honbun import read_honbun
from keras_negaposi.readers.listing import Listing, list_files
from keras_negaposi.readers.scrapbox import read_scrapbox

READERS: dict[str, Callable[[str, Callable[[str], str]], Iterator[Document]]] = {
    "scrapbox": lambda path, _: read_scrapbox(path),
    "markdown": lambda path, _: markdown.read_markdown(path),
    "folder": lambda path, _: folder.read_folder(path),
    "pdf": lambda path, _: pdf.read_pdf(path),
    "table": table.read_table,
    "honbun": read_honbun,
}
"""Readers by format. Each takes a path, and a function that returns the document that a page's title belongs to."""
FOLDERS = {"markdown": markdown.SUFFIXES, "pdf": pdf.SUFFIXES, "folder": folder.SUFFIXES}
"""File name suffixes of the formats that read a folder."""


def detect(path: str) -> str:
    """Returns the format of a file or folder.

    Raises:
        InputError: the path does not exist, or contains no supported file.
    """
    if is_remote(path):
        raise InputError(f"{path}: must be a local file or folder; copy it first")
    if os.path.isdir(path):
        return _most_common(path, list_files(path))
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder; check the path")
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "scrapbox" if has_list(path, "pages") else "honbun"
    for name, suffixes in (*FOLDERS.items(), ("table", table.SUFFIXES)):
        if suffix in suffixes:
            return name
    known = ", ".join((".json", *(suffix for suffixes in (*FOLDERS.values(), table.SUFFIXES) for suffix in suffixes)))
    raise InputError(f"{path}: unsupported format (not a folder, {known}); unpack or convert it first")


def _most_common(path: str, listing: Listing) -> str:
    """Returns the format of most files in a folder. Text files count only if their names are those of pages."""
    counts = {name: len(listing.of(suffixes)) for name, suffixes in FOLDERS.items()}
    pages = sum(folder.is_page(relative) for relative, _ in listing.of(folder.SUFFIXES))
    if pages or counts["markdown"] or counts["pdf"]:  # otherwise the reader of text files says what is wrong
        counts["folder"] = pages
    most = max(counts, key=counts.__getitem__)
    if not counts[most]:
        left_out = listing.describe_left_out(())
        why = f" ({left_out})" if left_out else ""
        raise InputError(f"{path}: contains no .md, .pdf or .txt file{why}; check the path")
    return most


def tell_files(path: str, kind: str) -> str:
    """Returns a line that reports the format of a source, the number of its files, and what is left out and why.

    Raises:
        InputError: the source cannot be opened.
    """
    line = f"{path}: read as {kind}"
    if not os.path.isdir(path) or kind not in FOLDERS:
        with opened(path):  # an unreadable file is rejected before the work starts
            return line
    listing = list_files(path)
    count = len(listing.of(FOLDERS[kind]))
    others = [f"--format {name}" for name, suffixes in FOLDERS.items() if name != kind and listing.of(suffixes)]
    choose = f" (read those with {' or '.join(others)})" if others else ""
    left_out = listing.describe_left_out(FOLDERS[kind])
    return f"{line}, {count:,} {'file' if count == 1 else 'files'}{f'; {left_out}{choose}' if left_out else ''}"
