"""The files below a folder that may be read, and what is left out of them, counted by the reason."""

from __future__ import annotations

import dataclasses
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator

from checkpoints_tools.common.errors import InputError
from keras_negaposi.readers.own_outputs import is_ours, our_notes

HIDDEN = ("hidden", "hidden")
LINKED_FOLDER = ("linked folder", "linked folders")
OUTSIDE = ("link to a file outside", "links to files outside")
REPEATED = ("link to a file that is read itself", "links to files that are read themselves")
BROKEN = ("broken link", "broken links")
SPECIAL = ("pipe or device", "pipes or devices")
UNREADABLE = ("without permission to read", "without permission to read")
NOT_UTF8 = ("name that is not UTF-8", "names that are not UTF-8")
OURS = ("output of keras_negaposi", "outputs of keras_negaposi")
MOST_SUFFIXES = 8
"""Kinds of other files that are named; the rest are added up."""

Reason = tuple[str, str]
"""Of one and of several."""


@dataclasses.dataclass(frozen=True)
class Listing:
    """What is below a folder.

    Attributes:
        files: (path from the folder with slashes, path), sorted.
        left_out: how many files and folders are never read, by reason.
    """

    files: list[tuple[str, str]]
    left_out: Counter[Reason]

    def of(self, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
        """The files whose name ends so."""
        return [file for file in self.files if file[0].lower().endswith(suffixes)]

    def tell_left_out(self, suffixes: tuple[str, ...]) -> str | None:
        """A line on what is not read where the files of ``suffixes`` are; ``None`` if that is nothing."""
        reasons = [f"{count:,} {one if count == 1 else more}" for (one, more), count in self.left_out.items()]
        others = Counter(
            os.path.splitext(name)[1].lower() or "without suffix"
            for name, _ in self.files
            if not name.lower().endswith(suffixes)
        )
        named = [f"{count:,} {suffix[:20]}" for suffix, count in others.most_common(MOST_SUFFIXES)]
        rest = others.total() - sum(count for _, count in others.most_common(MOST_SUFFIXES))
        told = [*reasons, *named, *([f"{rest:,} other files"] if rest else [])]
        return f"left out: {', '.join(told)}" if told else None


def list_files(path: str) -> Listing:
    """What is below a folder; links are not followed out of it. Of a file, the file.

    Raises:
        InputError: there is nothing, or the folder cannot be read.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file or folder; check the path")
    if not os.path.isdir(path):
        return Listing([(_title(os.path.basename(path)), path)], Counter())
    root = os.path.realpath(path)
    files, links, left_out = [], [], Counter()
    for full, reason in _walk(path):
        if reason:
            left_out[reason] += 1
        elif os.path.islink(full):
            links.append(full)
        else:
            files.append(full)
    # A link within the folder is read where the file that it leads to is not.
    read = set(map(os.path.realpath, files)) if links else set()
    for link in links:
        target = os.path.realpath(link)
        if os.path.commonpath([root, target]) != root:
            left_out[OUTSIDE] += 1
        elif target in read:
            left_out[REPEATED] += 1
        else:
            files.append(link)
    named = ((_title(os.path.relpath(full, path).replace(os.sep, "/")), full) for full in files)
    return Listing(sorted(named), left_out)


def _title(relative: str) -> str:
    """The path as titles have it: macOS writes が as two characters in the names of files, and nobody types it so."""
    return unicodedata.normalize("NFC", relative)


def _walk(path: str) -> Iterator[tuple[str, Reason | None]]:
    """(path, why it is not read) of every file, and of the folders that are not entered."""
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
    """Why a folder is not entered."""
    full = os.path.join(parent, name)
    if name.startswith("."):
        return HIDDEN
    if not _is_text(name):
        return NOT_UTF8
    if os.path.islink(full):
        return LINKED_FOLDER
    return OURS if is_ours(full) else None


def _of_file(parent: str, name: str) -> Reason | None:
    """Why a file is not read, as far as it is no matter of links within the folder."""
    full = os.path.join(parent, name)
    if name.startswith("."):
        return HIDDEN
    if not _is_text(name):
        return NOT_UTF8
    try:
        mode = os.stat(full).st_mode
    except OSError:  # a link to nothing, or to itself
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
