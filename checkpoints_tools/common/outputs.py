"""Replaces local files and folders by new ones, and writes through pipes, devices and open files.

``os.replace`` and ``shutil`` do the work. atomicwrites, which is no longer maintained, and the transactions of fsspec
replace single files, but ignore links and mount points, and restore nothing if one file of a folder cannot be replaced.
"""

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
"""Most symbolic links that are followed, as in Linux."""


def check_not_read(option: str, output: str, inputs: Iterable[str | None]) -> None:
    """Checks that an output does not overwrite an input.

    Args:
        option: the flag that names the output.
        output: path of the output; a pipe or a device may be an input too.
        inputs: paths of the inputs.

    Raises:
        InputError: the output is one of the inputs, under the same or another name.
    """
    for path in inputs:
        if path and _same(path, output) and not (os.path.exists(output) and is_stream(output)):
            raise InputError(
                f"{option} {quoted(output)}: is the same file as the input {quoted(path)}; give another path"
            )


def _same(one: str, other: str) -> bool:
    with suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.abspath(one) == os.path.abspath(other)


def is_stream(path: str) -> bool:
    """Returns whether a path is written to and not replaced: a pipe, a device, or an open file (``/dev/fd/1``)."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or descriptor(path) is not None


def descriptor(path: str) -> int | None:
    """Returns the open file descriptor of this process that a path such as ``/dev/stdout`` names, or ``None``."""
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
    """Yields a path for writing to a path that `is_stream`.

    It is the path itself. But opening the path of an open regular file would truncate what others have written to it:
    then it is a temporary file, whose content is appended at the end of the block.
    """
    number = descriptor(path)
    if number is None or not stat.S_ISREG(os.fstat(number).st_mode):
        yield path
        return
    with temporary.file(tempfile.gettempdir()) as name:
        yield name
        with open(name, "rb") as content, os.fdopen(os.dup(number), "wb") as file:
            shutil.copyfileobj(content, file)


def target(path: str) -> str:
    """Follows the symbolic links of a path to the file that is to be written, which need not exist.

    Raises:
        OSError: it is a folder, or is not writable.
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
    """Returns the folder for the temporary file that replaces ``target``.

    It is the folder of ``target``, unless that is not writable and ``target`` exists and can be written to itself.
    """
    folder = os.path.dirname(target)
    return folder if os.access(folder, os.W_OK) or not os.path.exists(target) else tempfile.gettempdir()


def copy_rights(target: str, name: str) -> None:
    """Gives a temporary file the permissions of the file that it will replace, or the default ones of a new file."""
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
    """Renames a file, or copies it into a target that cannot be replaced: a mount point, or another user's file."""
    try:
        os.replace(name, target)
    except OSError:
        if not os.path.isfile(target):
            raise
        shutil.copyfile(name, target)


def put_all(staging: str, folder: str) -> None:
    """Moves all files and folders to another folder, where they replace those of the same names; undoes it on failure.

    Raises:
        InputError: the other folder contains a folder in place of a file, or the reverse.
    """
    # Check that files replace files, and folders replace folders.
    names = indexes_last(os.listdir(staging))
    for name in names:
        new, old = os.path.join(staging, name), os.path.join(folder, name)
        if os.path.exists(old) and os.path.isdir(old) != os.path.isdir(new):
            kinds = ("a folder", "a file") if os.path.isdir(old) else ("a file", "a folder")
            raise InputError(f"{old}: is {kinds[0]}, but {kinds[1]} must be written there; remove or rename it")
    # Replace them one by one, keeping the old ones until all are replaced.
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
    """Saves a file or folder under another name; a file also keeps its own name, so that readers always find it."""
    if os.path.isdir(old):
        os.replace(old, kept)
    elif os.path.exists(old):
        try:
            os.link(old, kept)
        except OSError:
            shutil.copy2(old, kept)


def _restore(old: str, kept: str, existed: bool) -> None:
    """Undoes the replacement of a file or folder that `_keep` has saved."""
    if os.path.exists(kept) or not existed:
        temporary.remove(old)
    if os.path.exists(kept):
        os.replace(kept, old)


def indexes_last(names: Iterable[str]) -> list[str]:
    """Returns file names in the order in which the files should appear: index and configuration files last."""
    return sorted(names, key=lambda name: (name.endswith((".index", ".json")), name))


def open_to_others(tree: str) -> None:
    """Gives a temporary folder and its files, which only their owner can read, the default permissions."""
    mask = umask()
    for folder, _, files in os.walk(tree):
        os.chmod(folder, 0o777 & ~mask)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o666 & ~mask)


def umask() -> int:
    """Returns the permissions that new files do not get."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
