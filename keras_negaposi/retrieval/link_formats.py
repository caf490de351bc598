"""Suggestions as links to paste into a page: a document each."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

from checkpoints_tools.common.errors import quoted
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers.note_files import note_file
from keras_negaposi.readers.scrapbox_notation import is_link
from keras_negaposi.retrieval.search import Suggestion

ALL = 1000
"""Pages that are looked through for enough different documents."""
_NONE: Mapping[str, str] = MappingProxyType({})
_SPECIAL = re.compile(r"[\\`*_\[\]<>|&~$^=%#]")
"""What CommonMark, its tables or Obsidian could take for markup in the text of a link."""
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]")

logger = logging.getLogger(__name__)


def linked_pages(
    titles: Iterable[str], pages: Iterable[str], links: set[tuple[str, str]], documents: Documents
) -> set[str]:
    """The pages of A's own document, and of every document that one of its pages is known to link to."""
    own = {documents(title) for title in titles}
    linked = own | {documents(b) for a, b in links if documents(a) in own}
    return {page for page in pages if documents(page) in linked}


def first_of_documents(suggestions: Iterable[Suggestion], documents: Documents) -> list[Suggestion]:
    """The best page of each document."""
    best: dict[str, Suggestion] = {}
    for suggestion in suggestions:
        best.setdefault(documents(suggestion.title), suggestion)
    return list(best.values())


def as_scrapbox(
    suggestions: Sequence[Suggestion], documents: Documents, title: str | None, files: Mapping[str, str] = _NONE
) -> str:
    """A line ``[page]`` each, or ``#page`` where brackets are read as something else; code, if both are."""
    names = [documents(suggestion.title) for suggestion in suggestions]
    links = {name: _scrapbox_link(name) for name in names}
    unlinked = [quoted(name) for name, link in links.items() if link is None]
    if unlinked:
        logger.warning(
            "%d of %d titles cannot be links in Scrapbox, which reads them as other notation; they are written as "
            "code, to be linked by hand: %s",
            *(len(unlinked), len(links), ", ".join(unlinked[:3]) + (", ..." if unlinked[3:] else "")),
        )
    return "\n".join(links[name] or f"`{one_line(name).replace('`', '｀')}`" for name in names)


def _scrapbox_link(name: str) -> str | None:
    """What links to the page; a space is an underscore, too, to Scrapbox."""
    if _CONTROL.search(name) or name != name.strip():
        return None
    return next((link for link in (f"[{name}]", f"#{name.replace(' ', '_')}") if is_link(link)), None)


def as_markdown(
    suggestions: Sequence[Suggestion], documents: Documents, title: str | None, files: Mapping[str, str] = _NONE
) -> str:
    """A list item ``[name](path.md)`` each, relative to the folder of A's note.

    Args:
        suggestions: to write.
        documents: finds the note in a page's title.
        title: of A's page, if it is one.
        files: of notes that are in another file than ``name.md``.
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
    """The text on one line, whatever it holds: white space is one space each, other control characters are shown."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))


LINKS = {"scrapbox": as_scrapbox, "markdown": as_markdown}
