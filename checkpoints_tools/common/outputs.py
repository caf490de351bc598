"""How files and folders on this machine take the place of others: what is replaced, and what is only written to."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import InputError, quoted

MOST_LINKS = 40


def check_not_read(option: str, output: str, inputs: Iterable[str | None]) -> None:
    """Refuses to write over what is read.

    Args:
        option: the flag that names the output.
        output: its path; a pipe or a device may be both.
        inputs: paths that are read.

    Raises:
        InputError: the output is one of them, under this or another name.
    """
    for path in inputs:
        if path and _same(path, output) and not (os.path.exists(output) and is_stream(output)):
            raise InputError(f"{option} {quoted(output)}: is the same file as the input {quoted(path)}; give another")


def _same(one: str, other: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.abspath(one) == os.path.abspath(other)


def is_stream(path: str) -> bool:
    """Whether it is written to and not replaced: a pipe, a device, an open file's ``/dev/fd/1``."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or descriptor(path) is not None


def descriptor(path: str) -> int | None:
    """The open file of this process that a path such as ``/dev/stdout`` names, if it does."""
    open_files = (os.path.realpath("/proc/self/fd"), "/dev/fd")
    for _ in range(MOST_LINKS):
        folder, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(folder) in open_files:
            return int(name) if os.path.exists(path) else None
        if not os.path.islink(path):
            return None
        path = os.path.join(folder, os.readlink(path))
    return None


@contextmanager
def through(path: str) -> Iterator[str]:
    """A name to write to of what `is_stream`: its own, but where that would cut off a file that others write to."""
    number = descriptor(path)
    if number is None or not stat.S_ISREG(os.fstat(number).st_mode):
        yield path
        return
    with temporary.file(tempfile.gettempdir()) as name:
        yield name
        with open(name, "rb") as content, os.fdopen(os.dup(number), "wb") as file:
            shutil.copyfileobj(content, file)


def target(path: str) -> str:
    """The file that a path leads to, there or not.

    Raises:
        OSError: it is a folder, or may not be written to.
    """
    found = os.path.realpath(path)
    if os.path.isdir(found) or not os.path.basename(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if os.path.islink(found):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    if os.path.exists(found) and not os.access(found, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return found


def staging_folder(target: str) -> str:
    """Where a file's new content waits: next to it, unless it is there and only its folder may not be written to."""
    folder = os.path.dirname(target)
    return folder if os.access(folder, os.W_OK) or not os.path.exists(target) else tempfile.gettempdir()


def copy_rights(target: str, name: str) -> None:
    """Gives a temporary file the permissions of the file that it will replace, or those of a new one."""
    try:
        info = os.stat(target)
    except FileNotFoundError:
        os.chmod(name, 0o666 & ~umask())
        return
    if hasattr(os, "chown"):
        with suppress(OSError):  # only the superuser can give a file away
            os.chown(name, info.st_uid, info.st_gid)
    os.chmod(name, stat.S_IMODE(info.st_mode) & 0o777)


def put(name: str, target: str) -> None:
    """Renames a file, or copies it into one that cannot be replaced: a mount point, another's in a shared folder."""
    try:
        os.replace(name, target)
    except OSError:
        if not os.path.isfile(target):
            raise
        shutil.copyfile(name, target)


def put_all(staging: str, folder: str) -> None:
    """Moves files and folders into another folder, where they replace those of the same names: all, or none.

    Raises:
        InputError: there is a folder where a file is to be, or the reverse.
    """
    names = indexes_last(os.listdir(staging))
    for name in names:
        new, old = os.path.join(staging, name), os.path.join(folder, name)
        if os.path.exists(old) and os.path.isdir(old) != os.path.isdir(new):
            kinds = ("a folder", "a file") if os.path.isdir(old) else ("a file", "a folder")
            raise InputError(f"{old}: is {kinds[0]}, where {kinds[1]} is to be written; remove or rename it")
    with temporary.folder(folder) as before:
        done: list[tuple[str, str, bool]] = []
        try:
            for name in names:
                old, kept = os.path.realpath(os.path.join(folder, name)), os.path.join(before, name)
                done.append((old, kept, os.path.exists(old)))
                _keep(old, kept)
                put(os.path.join(staging, name), old)
        except BaseException:
            for old, kept, existed in reversed(done):
                _restore(old, kept, existed)
            raise


def _keep(old: str, kept: str) -> None:
    """Keeps a file or folder under another name; a file also under its own, so that readers always find one."""
    if os.path.isdir(old):
        os.replace(old, kept)
    elif os.path.exists(old):
        try:
            os.link(old, kept)
        except OSError:
            shutil.copy2(old, kept)


def _restore(old: str, kept: str, existed: bool) -> None:
    if os.path.exists(kept) or not existed:
        temporary.remove(old)
    if os.path.exists(kept):
        os.replace(kept, old)


def indexes_last(names: Iterable[str]) -> list[str]:
    """File names in the order in which they should appear."""
    return sorted(names, key=lambda name: (name.endswith((".index", ".json")), name))


def open_to_others(tree: str) -> None:
    """Gives folders and their files the usual permissions: temporary ones are their owner's alone."""
    mask = umask()
    for folder, _, files in os.walk(tree):
        os.chmod(folder, 0o777 & ~mask)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o666 & ~mask)


def umask() -> int:
    """Permissions that new files do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
