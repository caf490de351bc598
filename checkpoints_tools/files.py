"""Reading and writing small files, local or on any path that ``tf.io.gfile`` takes, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from checkpoints_tools.errors import InputError, shortened
from checkpoints_tools.json_text import parse_json
from checkpoints_tools.paths import LONGEST_NAME, is_remote

PARTIAL = ".partial-"
"""How the names of folders begin that are not complete yet."""
LEFTOVER = rf"{re.escape(PARTIAL)}.*|.*\.tmp\d+"
"""What the names look like that `replaced` and `staged_folder` give until something is complete."""


BLOCK = 1 << 20
"""Bytes read at once of a file that need not be held whole."""
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
"""Bytes of this machine."""
LONGEST_LINE = 16 << 20
"""Bytes."""
WRITING_FAILS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT)


def join(folder: str, *names: str) -> str:
    """Joins path parts; remote paths keep their slashes on every system."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


@contextmanager
def opened(path: str, once: bool = False) -> Iterator[BinaryIO]:
    """The file, to be read.

    Args:
        path: of the file.
        once: whether it is read once from the beginning, and with a limit: then a pipe or a device will do.

    Raises:
        InputError: it is missing, a folder, a pipe or device unless it may be, or cannot be read, even in the middle.
    """
    named = shortened(path, 4 * LONGEST_NAME)
    try:
        if is_remote(path):
            import tensorflow as tf

            try:
                with tf.io.gfile.GFile(path, "rb") as file:
                    yield file
            except tf.errors.OpError as error:
                raise InputError(f"{named}: cannot be read: {error.message}") from None
        else:
            if not once and not stat.S_ISREG(mode := os.stat(path).st_mode) and not stat.S_ISDIR(mode):
                raise InputError(f"{named}: is a pipe or a device; save its content in a file and give that")
            with open(path, "rb") as file:
                yield file
    except FileNotFoundError:
        raise InputError(f"{named}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{named}: is a folder; give the file in it") from None
    except OSError as error:
        if error.filename not in (None, path) or error.errno in WRITING_FAILS:  # of what the caller does with it
            raise
        raise InputError(f"{named}: cannot be read: {error.strerror}") from None


def bounded_lines(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The lines of a file, of which none fills the memory, even where the file has no end.

    Raises:
        InputError: a line is too long; names ``name`` and the line.
    """
    for number in itertools.count(1):
        line = file.readline(LONGEST_LINE + 1)
        if len(line) > LONGEST_LINE:
            limit = f"{LONGEST_LINE:,} bytes"
            raise InputError(f"{name}: line {number} has more than {limit}; is this the file that you meant?")
        if not line:
            return
        yield line


def read_bytes(path: str) -> bytes:
    """The file's content.

    Raises:
        InputError: as `opened`, or it does not fit into memory.
    """
    with opened(path) as file:
        if not is_remote(path) and (size := os.fstat(file.fileno()).st_size) > MEMORY:
            raise InputError(f"{path}: {size / 1e9:,.0f} GB do not fit into memory; is this the file that you meant?")
        return file.read()


def read_digest(path: str) -> bytes:
    """SHA-256 of the file, which is read a block at a time.

    Raises:
        InputError: as `opened`.
    """
    digest = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.digest()


def read_text(path: str) -> str:
    """The file's content as UTF-8, a byte order mark dropped.

    Raises:
        InputError: as `read_bytes`, or the file is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file under a temporary name and renames it: a kill, or a power cut, leaves the old or the new one."""
    write_blocks(path, [content])


def write_blocks(path: str, blocks: Iterable[bytes]) -> None:
    """`write_bytes` of what need not be held whole."""
    if is_remote(path):  # an object store shows an object only when it is complete
        import tensorflow as tf

        with tf.io.gfile.GFile(path, "wb") as file:
            for block in blocks:
                file.write(block)
        return
    with replaced(path) as temporary, open(temporary, "wb") as file:
        for block in blocks:
            file.write(block)


@contextmanager
def replaced(path: str) -> Iterator[str]:
    """A name for a file that takes the place of ``path`` when the block ends well, and is gone otherwise.

    On an object store it is ``path`` itself.
    """
    if is_remote(path):
        yield path
        return
    temporary = f"{path}.tmp{os.getpid()}"
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename in (None, temporary):  # writing does not say where
            error.filename = path
        raise
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_text(path: str, text: str) -> None:
    """`write_bytes` of UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str, value: object) -> None:
    """Writes ``value`` as JSON, Japanese left readable."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str) -> object:
    """Parses a JSON file, as `json_text.parse_json` does.

    Raises:
        InputError: as `read_text` and `json_text.parse_json`.
    """
    return parse_json(read_text(path), path)


def exists(path: str) -> bool:
    """Whether there is a file or folder."""
    if is_remote(path):
        import tensorflow as tf

        return tf.io.gfile.exists(path)
    return os.path.exists(path)


def remove(path: str) -> None:
    """Removes a file, if it is there."""
    if is_remote(path):
        import tensorflow as tf

        if tf.io.gfile.exists(path):
            tf.io.gfile.remove(path)
    else:
        Path(path).unlink(missing_ok=True)


def remove_tree(path: str) -> None:
    """Removes a file, or a folder with all that is in it, if it is there."""
    if is_remote(path):
        import tensorflow as tf

        if tf.io.gfile.exists(path):
            tf.io.gfile.rmtree(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    else:
        remove(path)


def sweep(folder: str, leftover: str = LEFTOVER) -> None:
    """Removes what a killed process left half-written in a folder; for whoever has it to himself (`lock.locked`).

    Args:
        folder: on an object store nothing is done, since that shows an object only when it is complete.
        leftover: regular expression of the whole names of such files and folders.
    """
    if is_remote(folder):
        return
    for name in list_folder(folder):
        if re.fullmatch(leftover, name):
            remove_tree(join(folder, name))


def make_folder(path: str) -> None:
    """Makes the folder and its parents; nothing happens where it exists.

    Raises:
        InputError: its bucket does not exist.
    """
    if is_remote(path):
        import tensorflow as tf

        bucket = re.match(r"gs://[^/]+", path)
        if bucket and not tf.io.gfile.exists(f"{bucket[0]}/"):  # TensorFlow would ask for its parent, without end
            mend = f"check the name, or make it: gcloud storage buckets create {bucket[0]}"
            raise InputError(f"{path}: there is no bucket {bucket[0]}; {mend}")
        tf.io.gfile.makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


@contextmanager
def staged_folder(path: str) -> Iterator[str]:
    """A temporary folder whose files appear in ``path`` when the block ends well, and are gone otherwise.

    A new folder appears by one renaming; files of one that exists are replaced one by one; a remote folder gets
    copies. Indexes and configurations come last, since readers look for those first.
    """
    with _staging(path) as staging:
        yield staging
        _open_to_others(staging)
        if not is_remote(path) and not list_folder(path):
            os.replace(staging, path)
            return
        make_folder(path)
        for name in sorted(os.listdir(staging), key=lambda name: (name.endswith((".index", ".json")), name)):
            if is_remote(path):
                write_bytes(join(path, name), read_bytes(join(staging, name)))
            else:
                os.replace(join(staging, name), join(path, name))


@contextmanager
def staged_tree(path: str) -> Iterator[str]:
    """A temporary folder, of folders too, that takes the place of ``path`` when the block ends well, else is gone.

    On an object store, which has no renaming, it is ``path`` itself.
    """
    if is_remote(path):
        yield path
        return
    with _staging(path) as staging:
        yield staging
        for folder, _, _ in os.walk(staging):
            _open_to_others(folder)
        shutil.rmtree(path, ignore_errors=True)
        os.replace(staging, path)


@contextmanager
def _staging(path: str) -> Iterator[str]:
    """A temporary folder beside ``path``, or anywhere if that is remote; what is in it at the end is removed."""
    parent = None if is_remote(path) else os.path.dirname(os.path.abspath(path))
    if parent:
        os.makedirs(parent, exist_ok=True)
    staging = tempfile.mkdtemp(prefix=PARTIAL, dir=parent)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _open_to_others(folder: str) -> None:
    """Gives a folder and its files the usual permissions: temporary ones are their owner's alone."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(folder, 0o777 & ~umask)
    for entry in os.scandir(folder):
        if entry.is_file():
            os.chmod(entry.path, 0o666 & ~umask)


def list_folder(path: str) -> list[str]:
    """Names in a folder; empty where it does not exist.

    Raises:
        InputError: the path is a file.
    """
    if is_remote(path):
        import tensorflow as tf

        return sorted(tf.io.gfile.listdir(path)) if tf.io.gfile.isdir(path) else []
    if os.path.isfile(path):
        raise InputError(f"{path}: is a file; give a folder")
    return sorted(os.listdir(path)) if os.path.isdir(path) else []
