"""Reading and writing small files, local or on any path that ``tf.io.gfile`` takes, whole or not at all."""

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
    """Writes a file as `written` does."""
    write_blocks(path, [content])


def write_blocks(path: str, blocks: Iterable[bytes]) -> None:
    """`write_bytes` of what need not be held whole."""
    with written(path) as file:
        for block in blocks:
            file.write(block)


@contextmanager
def written(path: str) -> Iterator[BinaryIO]:
    """A file to write to: a kill, or a power cut, leaves the old content of ``path`` or the new one.

    A pipe or a device is written to directly. An object store shows an object only when it is complete.
    """
    if is_remote(path):
        import tensorflow as tf

        if path.startswith("ram://"):  # where TensorFlow leaves the end of a longer old file
            remove(path)
        with tf.io.gfile.GFile(path, "wb") as file:
            yield file
    else:
        with replaced(path) as name, open(name, "wb") as file:
            yield file


@contextmanager
def replaced(path: str) -> Iterator[str]:
    """A name for a file that takes the place of ``path`` when the block ends well, and is gone otherwise.

    A link stays, and the file that it leads to is replaced, with the permissions that it has. If that file has more
    names (hard links), the others keep the old content. For a pipe, a device or an object store the name is ``path``.
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
    """Lets an error in writing say where: it names nothing, or the temporary file."""
    try:
        yield
    except OSError as error:
        if error.filename is None or temporary.is_ours(os.path.basename(str(error.filename))):
            error.filename, error.filename2 = path, None
        raise


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
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        remove(path)


def sweep(folder: str, leftover: str | None = None) -> None:
    """Removes what a dead process left half-written in a folder.

    Args:
        folder: on an object store nothing is done, since that shows an object only when it is complete.
        leftover: regular expression of the whole names of such files and folders, for whoever has the folder to himself
            (`lock.locked`); if ``None``, the temporary files of this package whose process is dead.
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

    A new folder appears by one renaming; files of one that exists are replaced one by one, or none if one cannot be; a
    remote folder gets copies. Indexes and configurations come last, since readers look for those first.
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
    """`staged_folder` for files and folders, which replace those of the same names.

    On an object store, which has no renaming, it is ``path`` itself.

    Raises:
        InputError: ``path`` is a file, or has a folder where a file is to be, or the reverse.
    """
    if is_remote(path):
        yield path
        return
    if not path:
        raise InputError("the output's path is empty; give a folder")
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isdir(target):
        raise InputError(f"{path}: is a file; give a folder")
    there = os.path.isdir(target)  # a mount point, for one, can only be filled, and from within
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
