"""Finds what a title names: a page of an index, or a note, which is all of its pages together."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from checkpoints_tools.common.errors import LONGEST_VALUE, InputError, quoted
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers.document import composed

MOST_SIMILAR = 3
"""Titles that are offered in place of an unknown one."""


def find_page(name: str, titles: Collection[str]) -> str | None:
    """Returns the title as the index has it, which may be another Unicode form (macOS decomposes file names)."""
    if name in titles:
        return name
    wanted = composed(name)
    return next((title for title in titles if composed(title) == wanted), None)


def find_pages(name: str, titles: Collection[str], documents: Documents) -> tuple[str, ...]:
    """Returns the page of this title or, if it is a note's, the note's pages in the order of the index.

    Raises:
        InputError: there is no such page or note; the message offers similar ones.
    """
    pages = pages_of(name, titles, documents)
    if not pages:
        raise unknown_title(name, titles, documents)
    return pages


def pages_of(name: str, titles: Collection[str], documents: Documents) -> tuple[str, ...]:
    """Returns the same as `find_pages`, but no page where there is none."""
    page = find_page(name, titles)
    if page is not None:
        return (page,)
    wanted = composed(name)
    return tuple(title for title in titles if composed(documents(title)) == wanted)


def unknown_title(name: str, titles: Collection[str], documents: Documents) -> InputError:
    """Returns the error for a ``--title`` that names nothing."""
    return InputError(f"--title {no_such_title(name, titles, documents)}")


def no_such_title(name: str, titles: Collection[str], documents: Documents) -> str:
    """Returns the line about a title that names nothing, with similar titles."""
    # A name that looks like a page's is compared with pages, another one with notes.
    is_page = documents(name) != name
    known = dict.fromkeys(composed(title if is_page else documents(title)) for title in titles)
    similar = difflib.get_close_matches(composed(name)[:LONGEST_VALUE], known, MOST_SIMILAR)
    names = ", ".join(map(quoted, similar))
    hint = f"; did you mean {names}?" if similar else "; give the title of a page or note"
    return f"{quoted(name)}: no such page among the {len(titles):,} of the index{hint}"
