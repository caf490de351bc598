"""PDF slides, a page a slide (pypdfium2, extra ``pdf``)."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator

from checkpoints_tools.errors import InputError
from keras_negaposi.sources.document import Document, page_title, plain_lines
from keras_negaposi.sources.folder import find_files

SUFFIXES = (".pdf",)


def read_pdf(path: str) -> Iterator[Document]:
    """Yields a PDF file, or every one below a folder, as a document of numbered pages.

    Raises:
        InputError: pypdfium2 is missing, or a file is no PDF or locked by a password; names it.
    """
    try:
        import pypdfium2
    except ImportError:
        raise InputError(f"{path}: PDF needs pypdfium2; pip install 'keras_negaposi[pdf]'") from None
    files = find_files(path, SUFFIXES) if os.path.isdir(path) else [(os.path.basename(path), path)]
    for relative, full in files:
        try:
            with pypdfium2.PdfDocument(full) as pdf:
                texts = [page.get_textpage().get_text_bounded() for page in pdf]
        except pypdfium2.PdfiumError as error:
            raise InputError(f"{full}: not a PDF that can be read: {error}") from None
        title = posixpath.splitext(relative)[0]
        yield Document(title, list(map(plain_lines, texts)), [page_title(title, n) for n in range(len(texts))])
