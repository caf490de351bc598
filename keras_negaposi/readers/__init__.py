"""What people have, as documents: one file a format, and one line here.

A reader yields `document.Document` one at a time, so that a source need not fit into memory.
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
"""Format -> reader of (path, the function that finds the document in a title)."""
FOLDERS = {"markdown": markdown.SUFFIXES, "pdf": pdf.SUFFIXES, "folder": folder.SUFFIXES}


def detect(path: str) -> str:
    """The format of a file or folder.

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    if is_remote(path):
        raise InputError(f"{path}: must be a local file or folder; copy it first")
    if os.path.isdir(path):
        return _most(path, list_files(path))
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder; check the path")
    suffix = os.path.splitext(path)[1].lower()
    if suffix == ".json":
        return "scrapbox" if has_list(path, "pages") else "honbun"
    for name, suffixes in (*FOLDERS.items(), ("table", table.SUFFIXES)):
        if suffix in suffixes:
            return name
    known = ", ".join((".json", *(suffix for suffixes in (*FOLDERS.values(), table.SUFFIXES) for suffix in suffixes)))
    raise InputError(f"{path}: not one of {known} or a folder; unpack or convert it first")


def _most(path: str, listing: Listing) -> str:
    """The format that most files of a folder have; text files count where their names are those of pages."""
    counts = {name: len(listing.of(suffixes)) for name, suffixes in FOLDERS.items()}
    pages = sum(folder.is_page(relative) for relative, _ in listing.of(folder.SUFFIXES))
    if pages or counts["markdown"] or counts["pdf"]:
        counts["folder"] = pages
    most = max(counts, key=counts.__getitem__)
    if not counts[most]:
        told = listing.tell_left_out(())
        why = f" ({told})" if told else ""
        raise InputError(f"{path}: no .md, .pdf or .txt file below it{why}; is this the folder that you meant?")
    return most


def tell_files(path: str, kind: str) -> str:
    """What a source is read as, how many files of a folder that are, and what is left out and why.

    Raises:
        InputError: the source cannot be opened.
    """
    line = f"{path}: read as {kind}"
    if not os.path.isdir(path) or kind not in FOLDERS:
        with opened(path):  # what cannot be read is refused before anything waits for it
            return line
    listing = list_files(path)
    count = len(listing.of(FOLDERS[kind]))
    others = [f"--format {name}" for name, suffixes in FOLDERS.items() if name != kind and listing.of(suffixes)]
    choose = f" ({' or '.join(others)} reads those)" if others else ""
    told = listing.tell_left_out(FOLDERS[kind])
    return f"{line}, {count:,} {'file' if count == 1 else 'files'}{f'; {told}{choose}' if told else ''}"
