"""Lists the readable files in a folder and its subfolders, and counts what is left out by reason."""

from __future__ import annotations

import dataclasses
import os
import stat
from collections import Counter
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.document import composed
from keras_negaposi.readers.own_outputs import is_ours, our_notes

HIDDEN = ("hidden", "hidden")
LINKED_FOLDER = ("linked folder", "linked folders")
OUTSIDE = ("link to a file outside the folder", "links to files outside the folder")
REPEATED = ("link to a file that is already read", "links to files that are already read")
BROKEN = ("broken link", "broken links")
SPECIAL = ("pipe or device", "pipes or devices")
UNREADABLE = ("without permission to read", "without permission to read")
NOT_UTF8 = ("name that is not UTF-8", "names that are not UTF-8")
OURS = ("output of keras_negaposi", "outputs of keras_negaposi")
MOST_SUFFIXES = 8
"""Number of suffixes of other files that are named; the rest are counted together."""

Reason = tuple[str, str]
"""The reason in the singular and in the plural."""


@dataclasses.dataclass(frozen=True)
class Listing:
    """The content of a folder.

    Attributes:
        files: (path relative to the folder, with slashes; path), sorted.
        left_out: number of files and folders that are never read, by reason.
    """

    files: list[tuple[str, str]]
    left_out: Counter[Reason]

    def of(self, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
        """Returns the files that have one of the suffixes."""
        return [file for file in self.files if file[0].lower().endswith(suffixes)]

    def describe_left_out(self, suffixes: tuple[str, ...]) -> str | None:
        """Returns a line that reports what is left out if only ``suffixes`` are read; ``None`` if nothing is."""
        reasons = [f"{count:,} {one if count == 1 else more}" for (one, more), count in self.left_out.items()]
        others = Counter(
            os.path.splitext(name)[1].lower() or "without suffix"
            for name, _ in self.files
            if not name.lower().endswith(suffixes)
        )
        named = [f"{count:,} {suffix[:20]}" for suffix, count in others.most_common(MOST_SUFFIXES)]
        rest = others.total() - sum(count for _, count in others.most_common(MOST_SUFFIXES))
        parts = [*reasons, *named, *([f"{rest:,} other files"] if rest else [])]
        return f"left out: {', '.join(parts)}" if parts else None


def list_files(path: str) -> Listing:
    """Lists a folder, without following links out of it; for a file, lists that file.

    Raises:
        InputError: the path does not exist, or the folder cannot be read.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder; check the path")
    if not os.path.isdir(path):
        return Listing([(composed(os.path.basename(path)), path)], Counter())
    # Separate files, links and what is left out
    root = os.path.realpath(path)
    files: list[str] = []
    links: list[str] = []
    left_out: Counter[Reason] = Counter()
    for full, reason in _walk(path):
        if reason:
            left_out[reason] += 1
        elif os.path.islink(full):
            links.append(full)
        else:
            files.append(full)
    # Read a link within the folder only if its target is not read itself
    read = set(map(os.path.realpath, files)) if links else set()
    for link in links:
        target = os.path.realpath(link)
        if os.path.commonpath([root, target]) != root:
            left_out[OUTSIDE] += 1
        elif target in read:
            left_out[REPEATED] += 1
        else:
            files.append(link)
    named = ((composed(os.path.relpath(full, path).replace(os.sep, "/")), full) for full in files)
    return Listing(sorted(named), left_out)


def _walk(path: str) -> Iterator[tuple[str, Reason | None]]:
    """Yields (path, why it is not read) of every file, and of the folders that are not entered."""
    failed: list[OSError] = []
    for parent, folders, names in os.walk(path, onerror=failed.append):
        ours = our_notes(parent, names)
        for name in sorted(folders):
            reason = _of_folder(parent, name)
            if reason:
                folders.remove(name)
                yield os.path.join(parent, name), reason
        for name in names:
            yield os.path.join(parent, name), OURS if name == ours else _of_file(parent, name)
    for error in failed:
        if error.filename == path:
            raise InputError(f"{path}: cannot be read: {error.strerror}; fix its permissions")
        yield str(error.filename), UNREADABLE


def _of_folder(parent: str, name: str) -> Reason | None:
    """Returns why a folder is not entered, or ``None``."""
    full = os.path.join(parent, name)
    if name.startswith("."):
        return HIDDEN
    if not _is_text(name):
        return NOT_UTF8
    if os.path.islink(full):
        return LINKED_FOLDER
    return OURS if is_ours(full) else None


def _of_file(parent: str, name: str) -> Reason | None:
    """Returns why a file is not read, or ``None``. Links are checked by `list_files`."""
    full = os.path.join(parent, name)
    if name.startswith("."):
        return HIDDEN
    if not _is_text(name):
        return NOT_UTF8
    try:
        mode = os.stat(full).st_mode
    except OSError:  # a link to a missing file, or to itself
        return BROKEN
    if not stat.S_ISREG(mode):
        return SPECIAL
    effective = os.access in os.supports_effective_ids
    return None if os.access(full, os.R_OK, effective_ids=effective) else UNREADABLE


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
