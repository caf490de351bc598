"""Temporary files and folders with unpredictable names, and the removal of those that dead processes left.

A process holds the kernel's lock on its temporary files and folders while it uses them, so other processes on the
machine can tell which are in use. ``tempfile`` creates them, but cannot remove what a killed process left.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from checkpoints_tools.common import processes

PREFIX, SUFFIX = ".keras_negaposi-", ".tmp"
NAME = re.compile(rf"{re.escape(PREFIX)}([0-9a-f]{{8}})-[a-z0-9_]{{8}}{re.escape(SUFFIX)}")
OLD_S = 24 * 3600.0
"""A file of another machine (or of this one, before a restart) that has not changed for so long is a leftover."""


@contextmanager
def file(folder: str) -> Iterator[str]:
    """Yields the path of a new empty file that only its owner can read; removes it at the end, if it still exists."""
    with _held(folder, tempfile.mkstemp) as path:
        yield path


@contextmanager
def folder(parent: str) -> Iterator[str]:
    """Yields the path of a new folder that only its owner can read; removes it at the end, if it still exists."""

    def make(suffix: str, prefix: str, parent: str) -> tuple[int, str]:
        path = tempfile.mkdtemp(suffix, prefix, parent)
        return (os.open(path, os.O_RDONLY) if processes.HAS_LOCKS else os.open(os.devnull, os.O_RDONLY)), path

    with _held(parent, make) as path:
        yield path


def is_ours(name: str) -> bool:
    """Returns whether a name is that of a temporary file or folder of this package."""
    return bool(NAME.fullmatch(name))


def sweep(folder: str) -> None:
    """Removes the temporary files and folders that dead processes left in a folder."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if is_ours(entry.name):
                _remove_if_left(entry.path, entry.name)


def remove(path: str) -> None:
    """Removes a file or a folder, and ignores errors."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(path)


_sweep_once = functools.cache(sweep)
"""Sweeps each folder once per process, since listing a large folder takes time."""


@contextmanager
def _held(folder: str, make: Callable[[str, str, str], tuple[int, str]]) -> Iterator[str]:
    """Makes a temporary file or folder, and holds the kernel's lock on it until the end of the block."""
    _sweep_once(folder)
    owner = os.getpid()
    while True:
        descriptor, path = make(SUFFIX, f"{PREFIX}{_machine()}-", folder or os.curdir)
        if not processes.HAS_LOCKS:  # Windows, where an open file cannot be renamed
            os.close(descriptor)
            break
        if processes.try_lock(descriptor) is not False and os.path.lexists(path):
            break
        os.close(descriptor)  # another process swept it before it was locked
    try:
        yield path
    finally:
        if os.getpid() == owner:  # not a fork of it, which may end first
            remove(path)
        if processes.HAS_LOCKS:
            os.close(descriptor)


def _remove_if_left(path: str, name: str) -> None:
    """Removes a temporary file or folder if no process holds its lock; of other machines, only if it is old."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return
    try:
        info = os.fstat(descriptor)
        here = name.startswith(f"{PREFIX}{_machine()}-")
        usual = stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)
        if usual and (here or time.time() - info.st_mtime > OLD_S) and processes.try_lock(descriptor):
            remove(path)
    finally:
        os.close(descriptor)


def _machine() -> str:
    """Returns a short id of this boot of this machine, within which the kernel's locks are reliable."""
    return hashlib.sha256((processes.boot_id() or socket.gethostname()).encode()).hexdigest()[:8]
