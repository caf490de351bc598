"""Reads and writes files, local or on any path that ``tf.io.gfile`` supports; a write replaces a file atomically.

fsspec and etils.epath open local and remote paths too, but neither replaces a local file atomically and keeps its
symbolic links and permissions; atomicwrites is no longer maintained. Remote paths go through TensorFlow, since training
reads and writes there through TensorFlow and its credentials anyway.
"""

from __future__ import annotations

import errno
import hashlib
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

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.paths import LONGEST_NAME, is_remote

BLOCK = 1 << 20
"""Bytes that are read at once when a file is read block by block."""
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
"""Physical memory of this machine in bytes."""
LONGEST_LINE = 16 << 20
"""Most bytes in a line of a file that is read line by line."""
WRITING_FAILS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT)


def join(folder: str, *names: str) -> str:
    """Joins path parts; remote paths get slashes on every operating system."""
    return "/".join([folder.rstrip("/"), *names]) if is_remote(folder) else os.path.join(folder, *names)


@contextmanager
def opened(path: str, once: bool = False) -> Iterator[BinaryIO]:
    """Opens a file for reading.

    Args:
        path: path of the file.
        once: whether the caller reads it once, from the beginning and with a limit; only then may it be a pipe or a
            device.

    Raises:
        InputError: the file is missing, is a folder, or is a pipe or device without ``once``, or reading it fails, also
            while the caller reads.
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
    except OSError as error:
        if error.filename not in (None, path) or error.errno in WRITING_FAILS:  # an error of the caller, in the block
            raise
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{named}: no such file; check the path") from None
        if isinstance(error, IsADirectoryError):
            raise InputError(f"{named}: is a folder; give a file in it") from None
        raise InputError(f"{named}: cannot be read: {error.strerror}") from None


def read_bytes(path: str) -> bytes:
    """Reads a whole file.

    Raises:
        InputError: as `opened`, or the file does not fit into memory.
    """
    with opened(path) as file:
        if not is_remote(path) and (size := os.fstat(file.fileno()).st_size) > MEMORY:
            raise InputError(f"{path}: {size / 1e9:,.0f} GB do not fit into memory; is this the file that you meant?")
        return file.read()


def read_digest(path: str) -> bytes:
    """Returns the SHA-256 digest of a file, reading it block by block.

    Raises:
        InputError: as `opened`.
    """
    digest = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.digest()


def read_text(path: str) -> str:
    """Reads a whole file as UTF-8, without its byte order mark.

    Raises:
        InputError: as `read_bytes`, or the file is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def write_bytes(path: str, content: bytes) -> None:
    """Writes a file, atomically as described at `written`."""
    write_blocks(path, [content])


def write_blocks(path: str, blocks: Iterable[bytes]) -> None:
    """Writes a file block by block, atomically as described at `written`."""
    with written(path) as file:
        for block in blocks:
            file.write(block)


@contextmanager
def written(path: str) -> Iterator[BinaryIO]:
    """Opens a file for writing, and replaces ``path`` with it at the end of the block.

    After a kill or a power failure, ``path`` has its old content or the new one. A pipe or a device is written to
    directly. An object store shows an object only when it is complete.
    """
    if is_remote(path):
        import tensorflow as tf

        if path.startswith("ram://"):  # TensorFlow does not truncate a longer old file there
            remove(path)
        with tf.io.gfile.GFile(path, "wb") as file:
            yield file
    else:
        with replaced(path) as name, open(name, "wb") as file:
            yield file


@contextmanager
def replaced(path: str) -> Iterator[str]:
    """Yields the path of a temporary file, which replaces ``path`` if the block succeeds and is removed otherwise.

    A symbolic link stays; the file that it points to is replaced and keeps its permissions. Other hard links to that
    file keep the old content. For a pipe, a device or an object store, the yielded path is ``path`` itself.
    """
    if is_remote(path):
        yield path
        return
    with _named(path):
        if outputs.is_stream(path):
            with outputs.through(path) as name:
                yield name
            return
        target = outputs.target(path)
        with temporary.file(outputs.staging_folder(target)) as name:
            outputs.copy_rights(target, name)
            yield name
            with open(name, "rb") as file:
                os.fsync(file.fileno())
            outputs.put(name, target)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Makes an error in writing name ``path``, where it names the temporary file or nothing."""
    try:
        yield
    except OSError as error:
        if error.filename is None or temporary.is_ours(os.path.basename(str(error.filename))):
            error.filename, error.filename2 = path, None
        raise


def write_text(path: str, text: str) -> None:
    """Writes a text file as UTF-8, atomically as described at `written`."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str, value: object) -> None:
    """Writes ``value`` as JSON, without escaping Japanese characters."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: str) -> object:
    """Reads a JSON file with the checks of `json_text.parse_json`.

    Raises:
        InputError: as `read_text` and `json_text.parse_json`.
    """
    return parse_json(read_text(path), path)


def exists(path: str) -> bool:
    """Returns whether a file or folder exists."""
    if is_remote(path):
        import tensorflow as tf

        return tf.io.gfile.exists(path)
    return os.path.exists(path)


def remove(path: str) -> None:
    """Removes a file, if it exists."""
    if is_remote(path):
        import tensorflow as tf

        if tf.io.gfile.exists(path):
            tf.io.gfile.remove(path)
    else:
        Path(path).unlink(missing_ok=True)


def remove_tree(path: str) -> None:
    """Removes a file, or a folder and its content, if it exists."""
    if is_remote(path):
        import tensorflow as tf

        if tf.io.gfile.exists(path):
            tf.io.gfile.rmtree(path)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        remove(path)


def sweep(folder: str, leftover: str | None = None) -> None:
    """Removes the incomplete files that a dead process left in a folder.

    Args:
        folder: path of the folder; an object store has no incomplete files, so nothing is done there.
        leftover: regular expression that matches the whole names of such files and folders, for a caller that holds
            the lock of the folder (`folder_lock.locked`); ``None`` for the temporary files of this package whose
            process is dead.
    """
    if is_remote(folder):
        return
    if leftover is None:
        temporary.sweep(folder)
        return
    for name in list_folder(folder):
        if re.fullmatch(leftover, name):
            remove_tree(join(folder, name))


def make_folder(path: str) -> None:
    """Creates a folder and its parents, if it does not exist.

    Raises:
        InputError: the bucket of the folder does not exist.
    """
    if is_remote(path):
        import tensorflow as tf

        bucket = re.match(r"gs://[^/]+", path)
        if bucket and not tf.io.gfile.exists(
            f"{bucket[0]}/"
        ):  # TensorFlow would look for its parent in an endless loop
            fix = f"check the name, or create it: gcloud storage buckets create {bucket[0]}"
            raise InputError(f"{path}: bucket {bucket[0]} not found; {fix}")
        tf.io.gfile.makedirs(path)
    else:
        os.makedirs(path, exist_ok=True)


@contextmanager
def staged_folder(path: str) -> Iterator[str]:
    """Yields a temporary folder, whose files are moved to ``path`` if the block succeeds and are removed otherwise.

    A new folder is renamed as a whole. In an existing folder, files are replaced one by one; if one of them fails, all
    are restored. A remote folder gets copies. Index and configuration files come last, since readers open them first.
    """
    if not is_remote(path):
        with staged_tree(path) as staging:
            yield staging
        return
    with tempfile.TemporaryDirectory() as staging:
        yield staging
        make_folder(path)
        for name in outputs.indexes_last(os.listdir(staging)):
            write_bytes(join(path, name), read_bytes(join(staging, name)))


@contextmanager
def staged_tree(path: str) -> Iterator[str]:
    """Like `staged_folder`, but also moves folders, which replace folders of the same names.

    An object store cannot rename folders: for a remote path, the yielded folder is ``path`` itself.

    Raises:
        InputError: ``path`` is a file, or contains a folder in place of a file, or the reverse.
    """
    if is_remote(path):
        yield path
        return
    if not path:
        raise InputError("the output's path is empty; give a folder")
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isdir(target):
        raise InputError(f"{path}: is a file; give a folder")
    there = os.path.isdir(target)  # an existing folder may be a mount point, which cannot be replaced
    parent = target if there else os.path.dirname(target)
    with _named(path):
        os.makedirs(parent, exist_ok=True)
        with temporary.folder(parent) as staging:
            yield staging
            outputs.open_to_others(staging)
            if there:
                outputs.put_all(staging, target)
            else:
                os.replace(staging, target)


def list_folder(path: str) -> list[str]:
    """Returns the sorted names in a folder; an empty list if it does not exist.

    Raises:
        InputError: the path is a file.
    """
    if is_remote(path):
        import tensorflow as tf

        return sorted(tf.io.gfile.listdir(path)) if tf.io.gfile.isdir(path) else []
    if os.path.isfile(path):
        raise InputError(f"{path}: is a file; give a folder")
    return sorted(os.listdir(path)) if os.path.isdir(path) else []
