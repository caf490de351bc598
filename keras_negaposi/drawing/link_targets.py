"""Which document a link leads to."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict


def normalise(title: str) -> str:
    """What makes two spellings of a title one: Unicode form and width, case, spaces for underscores."""
    return "_".join(unicodedata.normalize("NFKC", title).casefold().replace("_", " ").split())


class LinkTargets:
    """Finds documents by how links spell them; counts what leads nowhere (``dangling``) or to several (``ambiguous``).

    The title itself comes first, then the only one that is the same to `normalise`, then the only one that ends so
    after a slash: notes in folders are linked by their bare names.

    Args:
        paths: titles are paths; otherwise a slash is a character as any other.
    """

    def __init__(self, paths: bool = True) -> None:
        self._paths = paths
        self.dangling = 0
        self.ambiguous = 0
        self._titles: set[str] = set()
        self._by_key: dict[str, set[str]] = defaultdict(set)
        self._by_name: dict[str, set[str]] = defaultdict(set)

    def add(self, title: str) -> None:
        """Makes a document known."""
        self._titles.add(title)
        self._by_key[normalise(title)].add(title)
        if self._paths:
            self._by_name[normalise(posixpath.basename(title))].add(title)

    def find(self, target: str) -> str | None:
        """The document's title, or ``None``."""
        if target in self._titles:
            return target
        key = normalise(target)
        for found in (self._by_key.get(key), self._by_name.get(key)):
            if found:
                self.ambiguous += len(found) > 1
                return next(iter(found)) if len(found) == 1 else None
        self.dangling += 1
        return None
