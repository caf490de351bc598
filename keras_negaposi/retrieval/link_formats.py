"""Suggestions as links to paste into a page, in Scrapbox notation or Markdown; one link per document."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from checkpoints_tools.common.errors import quoted
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers.note_files import note_file
from keras_negaposi.readers.scrapbox_notation import is_link
from keras_negaposi.retrieval.suggestions import Suggestion

_NONE: Mapping[str, str] = MappingProxyType({})
_SPECIAL = re.compile(r"[\\`*_\[\]<>|&~$^=%#]")
"""Characters in a link's text that CommonMark, its tables or Obsidian could read as markup."""
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]")

logger = logging.getLogger(__name__)


def as_scrapbox(
    suggestions: Sequence[Suggestion], documents: Documents, title: str | None, files: Mapping[str, str] = _NONE
) -> str:
    """Returns one line per document: ``[page]``, or ``#page`` where Scrapbox reads the brackets as other notation.

    A name that neither form can link is written as code, with a warning.

    Args:
        suggestions: to write.
        documents: finds the document in a page's title.
        title: not used; the signature is that of `as_markdown`.
        files: not used.
    """
    names = [documents(suggestion.title) for suggestion in suggestions]
    links = {name: _scrapbox_link(name) for name in names}
    unlinked = [quoted(name) for name, link in links.items() if link is None]
    if unlinked:
        logger.warning(
            "%d of %d titles cannot be links in Scrapbox, which reads them as other notation; they are written as "
            "code, link them by hand: %s",
            *(len(unlinked), len(links), ", ".join(unlinked[:3]) + (", ..." if unlinked[3:] else "")),
        )
    return "\n".join(links[name] or _as_code(name) for name in names)


def scrapbox_link(name: str) -> str:
    """Returns a link to the page, or its name as code if Scrapbox cannot link it."""
    return _scrapbox_link(name) or _as_code(name)


def _scrapbox_link(name: str) -> str | None:
    """Returns a link to the page, or ``None``. In a hashtag Scrapbox takes ``_`` for a space."""
    if _CONTROL.search(name) or name != name.strip():
        return None
    return next((link for link in (f"[{name}]", f"#{name.replace(' ', '_')}") if is_link(link)), None)


def _as_code(name: str) -> str:
    return f"`{one_line(name).replace('`', '｀')}`"


def as_markdown(
    suggestions: Sequence[Suggestion], documents: Documents, title: str | None, files: Mapping[str, str] = _NONE
) -> str:
    """Returns one list item per document: ``[name](path.md)``, relative to the folder of A's note.

    Args:
        suggestions: to write.
        documents: finds the note in a page's title.
        title: of A's page; ``None`` if A is not a page of the index.
        files: notes whose file is not ``name.md``, with their file.
    """
    folder = posixpath.dirname(documents(title)) if title is not None else ""
    lines = []
    for suggestion in suggestions:
        note = documents(suggestion.title)
        shown = _SPECIAL.sub(r"\\\g<0>", one_line(posixpath.basename(note) or note))
        path = posixpath.relpath(f"/{note_file(note, files)}", f"/{folder}")
        lines.append(f"- [{shown}]({quote(path, errors='surrogatepass')})")
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Returns the text on one line: white space becomes single spaces, and other control characters become U+FFFD."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))


LINKS = {"scrapbox": as_scrapbox, "markdown": as_markdown}
