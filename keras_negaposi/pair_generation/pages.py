"""Reads the documents of a source, cuts and filters their pages, and finds candidates for positive pairs."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.data.adjacency import Adjacency, adjacency
from keras_negaposi.pair_generation.chunking import Page, cut_document
from keras_negaposi.pair_generation.link_targets import LinkTargets
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.pair_generation.positives import Candidate
from keras_negaposi.readers.document import Document, Link
from keras_negaposi.readers.note_files import note_file

_LETTER = re.compile(r"[^\W\d_]")
_JAPANESE = re.compile(r"[\u3041-\u30ff\u3400-\u9fff\uff66-\uff9f々]")


@dataclasses.dataclass(frozen=True)
class PageFilter:
    """Decides which pages are kept."""

    min_length: int = 1
    min_japanese: float = 0.0
    keep_duplicates: bool = False

    def fault(self, text: str, seen: set[bytes]) -> str | None:
        """Returns why a page is dropped, or ``None``; adds the digest of its text to ``seen``."""
        if len(text) < self.min_length:
            return "too short"
        letters = len(_LETTER.findall(text))
        if letters and len(_JAPANESE.findall(text)) < self.min_japanese * letters:
            return "not Japanese"
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()
        if digest in seen and not self.keep_duplicates:
            return "duplicate"
        seen.add(digest)
        return None


class Pages:
    """The pages of a source.

    Attributes:
        texts: of the pages that were kept.
        documents: number of documents.
        dropped: number of dropped pages by reason.
        next: candidates from adjacent pages.
        files: by document, the file names that do not follow from the title (``.markdown`` instead of ``.md``).
        adjacency: of the pages with titles of their own.
        targets: documents that links may lead to.
    """

    def __init__(self, texts: PageStore, page_filter: PageFilter) -> None:
        self.texts = texts
        self.documents = 0
        self.dropped: Counter[str] = Counter()
        self.next: list[Candidate] = []
        self.files: dict[str, str] = {}
        self.adjacency = Adjacency([])
        self.targets = LinkTargets()
        self._page_filter = page_filter
        self._seen: set[bytes] = set()
        self._document: dict[str, str] = {}
        self._first: dict[str, str] = {}
        self._linking: list[tuple[str, tuple[Link, ...]]] = []

    def read(self, documents: Iterable[Document], length: int, measure: Callable[[str], int] = len) -> None:
        """Reads all documents, one at a time."""
        titled: dict[str, str] = {}  # page title -> document, including dropped pages
        progress = Ticker("reading documents", None)
        for document in documents:
            self.documents += 1
            self.targets.add(document)
            if document.file and document.file != note_file(document.title, {}):
                self.files[document.title] = document.file
            pages = cut_document(document, length, measure)
            kept = [page.title if self._take(page) else None for page in pages]
            if document.page_titles is None:  # `cut_document` has cut it; the pages are in order
                self.next += [Candidate(a, b) for a, b in pairwise(kept) if a is not None and b is not None]
            else:
                titled.update({page.title: document.title for page in pages if page.title})
            progress(self.documents)
        self.adjacency = adjacency(titled, titled.__getitem__)
        self.next += [Candidate(a, b) for a, b in self.adjacency.pairs if a in self._document and b in self._document]

    def document(self, title: str) -> str:
        """Returns the document of a page that was kept."""
        return self._document[title]

    def linked(self) -> list[Candidate]:
        """Returns candidates from a page and the first page of each document that it links to."""
        candidates = []
        for title, links in self._linking:
            own = self._document[title]
            by_target: dict[str, list[Link]] = {}
            for link in links:
                target = self.targets.find(link.target, own)
                if target is not None and target != own and target in self._first:
                    by_target.setdefault(target, []).append(link)
            for target, hidden in by_target.items():
                names = dict.fromkeys([*self.targets.names(target), *(link.target for link in hidden)])
                candidates.append(Candidate(title, self._first[target], tuple(hidden), tuple(names)))
        return candidates

    def _take(self, page: Page) -> bool:
        """Stores a page unless it is dropped; returns whether it was stored."""
        fault = self._page_filter.fault(page.text, self._seen)
        if fault:
            if page.title:  # a page without a title only marks a gap
                self.dropped[fault] += 1
            return False
        self.texts.add(page.title, page.text)
        self._document[page.title] = page.document
        self._first.setdefault(page.document, page.title)
        if page.links:
            self._linking.append((page.title, page.links))
        return True
