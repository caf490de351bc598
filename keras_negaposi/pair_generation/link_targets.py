"""Resolves links: finds the document that a link leads to."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from bisect import bisect_left
from collections import defaultdict

from keras_negaposi.readers.document import Document, composed

_SUFFIX = re.compile(r"\.(md|markdown)$", re.IGNORECASE)
_FOLDER_NOTES = ("index", "readme")
"""A link to a folder leads to the note of one of these names in it."""
_SEPARATOR = "\n"
"""Separates the parts of a normalised path; none of them contains it."""


def normalise(title: str) -> str:
    """Normalises a title: Unicode form and width, case, and underscores as spaces."""
    return "_".join(unicodedata.normalize("NFKC", title).casefold().replace("_", " ").split())


class LinkTargets:
    """Finds documents by the spelling of a link.

    A link matches the identical title, or the only title that is equal after `normalise`. Titles that are paths are
    resolved as in Obsidian and Foam: relative to the note or to the root folder, then by the end of the path, then by
    an alias. If several paths have the same end, notes below the note's own folder are preferred, then the shortest
    path.

    Attributes:
        dangling: number of links without a target.
        ambiguous: number of links that match several titles which are not paths.
        nearest: number of links that match several paths, resolved by Obsidian's order.
    """

    def __init__(self) -> None:
        self.dangling = self.ambiguous = self.nearest = 0
        self._names: dict[str, list[str]] = {}
        self._paths: set[str] = set()
        self._by_key: dict[str, list[str]] = defaultdict(list)
        self._ends = _Ends()
        self._aliases = _Ends()

    def add(self, document: Document) -> None:
        """Adds a document that links may lead to."""
        title = document.title
        if not document.is_path:
            self._names[title] = [title]
            self._by_key[normalise(title)].append(title)
            return
        folder, name = posixpath.split(title)
        self._names[title] = [title, name, *document.aliases]
        self._paths.add(title)
        self._by_key[_key(title)].append(title)
        self._ends.add(title, title)
        for alias in document.aliases:
            self._aliases.add(alias, title, whole=True)
        if name.casefold() in _FOLDER_NOTES:
            self._aliases.add(folder, title)

    def names(self, title: str) -> list[str]:
        """Returns all names of a document: its title, file name and aliases."""
        return self._names[title]

    def find(self, target: str, source: str) -> str | None:
        """Returns the title of the document that a link in the document ``source`` leads to, or ``None``."""
        target = composed(target.strip())
        if source in self._paths:
            title, several = self._find_path(_SUFFIX.sub("", target), posixpath.dirname(source))
            self.nearest += several
        else:
            same = [target] if target in self._names else self._by_key.get(normalise(target), [])
            title, several = (same[0] if len(same) == 1 else None), len(same) > 1
            self.ambiguous += several
        self.dangling += title is None and not several
        return title

    def _find_path(self, path: str, folder: str) -> tuple[str | None, bool]:
        """Returns a title, and whether several titles match."""
        # 1. As a whole path: from the root folder or relative to the note, depending on how the link starts.
        relative = posixpath.normpath(posixpath.join(folder, path))
        whole = {"/": [path.lstrip("/")], "./": [relative, path[2:]], "../": [relative]}
        start = next((start for start in whole if path.startswith(start)), "")
        ways = whole.get(start, [path])
        for spelled in [way for path in ways for way in (path, *(f"{path}/{name}" for name in _FOLDER_NOTES))]:
            same = [spelled] if spelled in self._names else self._by_key.get(_key(spelled), [])
            if same:
                return min(same, key=_nearness), len(same) > 1
        # 2. By the end of a path, then by an alias.
        for ends in (self._ends, self._aliases) if start in ("", "./") else ():
            title, several = ends.find(path.removeprefix("./"), folder)
            if title:
                return title, several
        return None, False


class _Ends:
    """Finds titles by the end of their path."""

    def __init__(self) -> None:
        self._titles: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._nearest: dict[tuple[str, str], str] = {}
        self._sorted: set[str] = set()

    def add(self, path: str, title: str, whole: bool = False) -> None:
        """Adds a title under a path and, unless it must match as a ``whole``, under each end of the path."""
        entry = _key(title), title
        parts = _key(path).split(_SEPARATOR)
        for start in range(1 if whole else len(parts)):
            self._titles[_SEPARATOR.join(parts[start:])].append(entry)

    def find(self, end: str, folder: str) -> tuple[str | None, bool]:
        """Returns the nearest title whose path has this end, and whether there are several."""
        end = _key(end)
        if end not in self._titles:
            return None, False
        titles = self._titles[end]
        if end not in self._sorted:
            titles.sort()
            self._sorted.add(end)
        # Titles below the folder are consecutive in the sorted list; without any, all titles are candidates.
        below = _key(folder) + _SEPARATOR if folder else ""
        first, last = bisect_left(titles, (below,)), bisect_left(titles, (below[:-1] + chr(ord(_SEPARATOR) + 1),))
        if not below or first == last:
            below, first, last = "", 0, len(titles)
        if (end, below) not in self._nearest:
            self._nearest[end, below] = min((title for _, title in titles[first:last]), key=_nearness)
        return self._nearest[end, below], len(titles) > 1


def _key(path: str) -> str:
    """Normalises each part of a path."""
    return _SEPARATOR.join(map(normalise, path.split("/")))


def _nearness(title: str) -> tuple[int, str]:
    """Returns the sort key that puts the shortest path first."""
    return len(title), title
