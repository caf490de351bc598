"""What pages are suggested for, and which pages are not suggested for it."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Mapping, Sequence

from keras_negaposi.config import SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.texts import check_text
from keras_negaposi.retrieval.link_formats import LINKS
from keras_negaposi.retrieval.titles import find_page, find_pages


@dataclasses.dataclass(frozen=True)
class Query:
    """What pages are suggested for.

    Attributes:
        titles: of the pages; the others are context of the last one. Empty for a text that is not a page.
        texts: of the pages, or the text.
        of_note: whether it stands for its whole note, whose other pages are then not suggested.
    """

    titles: tuple[str, ...]
    texts: tuple[str, ...]
    of_note: bool = False

    @property
    def page(self) -> str:
        """Title of the page that suggestions follow; empty for a text that is not a page."""
        return self.titles[-1] if self.titles else ""


def make_queries(pages: Mapping[str, str], documents: Documents, config: SuggestConfig) -> list[Query]:
    """Returns the query of ``--text`` or ``--title``, or one for each page if neither is given.

    A note's title gives one query for each of its pages, since no single page stands for it. Next to other titles, a
    note's title means its pages in order.

    Args:
        pages: title -> text of the index.
        documents: finds the note in a page's title.
        config: of the command.

    Raises:
        InputError: the text cannot be used, or there is no page or note of a title.
    """
    if config.text is not None:
        check_text(config.text, "--text")
        return [Query((), (config.text,))]
    if not config.title:
        return [Query((title,), (text,), of_note=True) for title, text in pages.items()]
    titles = [title for name in config.title for title in find_pages(name, pages, documents)]
    if len(config.title) == 1 and find_page(config.title[0], pages) is None:
        return [Query((title,), (pages[title],), of_note=True) for title in titles]
    return [Query(tuple(titles), tuple(pages[title] for title in titles))]


def make_skips(
    queries: Sequence[Query],
    pages: Mapping[str, str],
    documents: Documents,
    links: set[tuple[str, str]],
    config: SuggestConfig,
) -> list[set[str]]:
    """Returns the pages that are not suggested for each query.

    These are its own pages; those of its note if it stands for the note or links to paste are wanted; and the pages, or
    for links to paste the documents, to which it links if these are to be left out.

    Args:
        queries: of `make_queries`.
        pages: title -> text of the index.
        documents: finds the note in a page's title.
        links: (a, b) where B is known to come next after A.
        config: of the command.
    """
    of_document: dict[str, list[str]] = defaultdict(list)
    for page in pages:
        of_document[documents(page)].append(page)
    linked: dict[str, set[str]] = defaultdict(set)
    for a, b in links:
        if config.format in LINKS:
            linked[documents(a)].update(of_document.get(documents(b), ()))
        elif config.skip_linked:
            linked[a].add(b)

    def skipped(query: Query) -> set[str]:
        skip, document = {*query.titles}, documents(query.page)
        if query.page and (query.of_note or config.format in LINKS):
            skip.update(of_document[document])
        return skip.union(linked.get(document if config.format in LINKS else query.page, ()))

    return [skipped(query) for query in queries]
