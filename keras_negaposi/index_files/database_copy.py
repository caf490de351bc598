"""Reads an index from a PostgreSQL database: this machine's cache holds a copy, which is opened as any other index.

``CACHE/INDEX/STATE/`` is a copy of one version, and never changes. Only the files that no copy here has yet are
fetched. No lock is needed: a copy appears under its name when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import remove_tree, write_blocks, write_text
from keras_negaposi.config.index_path import DatabaseUrl, database_url, is_database
from keras_negaposi.index_files.checked_files import file_checksum
from keras_negaposi.index_files.database import connect, connected, explained, has_tables
from keras_negaposi.index_files.manifest import MANIFEST, read_manifest

if TYPE_CHECKING:
    import psycopg

KEPT = 2
"""Copies that are kept: another process may be about to open the last but one."""
WORK = "write"
"""Folder of an index that a writer changes, next to the copies."""
STATE = re.compile("[0-9a-f]{64}")
FILE = re.compile(r"[a-z]+-\d{6,12}(\.json|/\w[\w.-]*)")
"""Files that a database may make us write."""


class Version(NamedTuple):
    """A version of an index: its number, the SHA-256 of its manifest, and the manifest's text."""

    number: int
    state: str
    manifest: str


NONE = Version(0, "", "")
"""Before there is one."""


def local_folder(path: str) -> str:
    """Returns the folder of an index to read: ``path`` itself, or a copy of what a database has now.

    Raises:
        InputError: the database cannot be read, or has no such index.
    """
    if not is_database(path):
        return path
    url = database_url(path)
    with connected(url) as connection:
        from psycopg import IsolationLevel

        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        with connection.transaction():
            version = present_version(connection, url)
            if version == NONE:
                make = "make it with python -m keras_negaposi.index, or give another ?index=NAME"
                raise InputError(f"{url.shown}: has no index {quoted(url.name)}; {make}")
            return str(copy_of(version, connection, url))


def side_files(path: str) -> str:
    """Returns the beginning of the paths of files next to an index; for a database they are in the cache."""
    return str(cache(database_url(path)) / "index") if is_database(path) else os.path.normpath(path)


def cache(url: DatabaseUrl) -> Path:
    """Returns the folder of an index's copies, which only the user can read; makes it if there is none."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    digest = hashlib.sha256(f"{url.shown} {url.name}".encode()).hexdigest()[:12]
    folder = Path(home, "keras_negaposi", "indexes", f"{re.sub(r'[^a-zA-Z0-9]', '_', url.name)[:40]}-{digest}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class SharedState:
    """Asks a database for the state of an index, over a connection that is kept.

    Args:
        path: URL of the index.
    """

    def __init__(self, path: str) -> None:
        self._url = database_url(path)
        self._connection: psycopg.Connection | None = None

    def read(self) -> str:
        """Returns the state; empty if there is no such index.

        Raises:
            InputError: the database cannot be read.
        """
        with explained(self._url):
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url)
            found = self._connection.execute("SELECT state FROM negaposi_index WHERE name = %s", (self._url.name,))
            return (found.fetchone() or ("",))[0]

    def close(self) -> None:
        """Closes the connection."""
        if self._connection:
            self._connection.close()


def present_version(connection: psycopg.Connection, url: DatabaseUrl) -> Version:
    """Returns the version that the database has; `NONE` if it has no such index."""
    if not has_tables(connection):
        return NONE
    columns = "SELECT version, state, manifest::text FROM negaposi_index WHERE name = %s"
    row = connection.execute(columns, (url.name,)).fetchone()
    return Version(*row) if row else NONE


def copy_of(version: Version, connection: psycopg.Connection, url: DatabaseUrl) -> Path:
    """Returns the folder with a copy of the present version; fetches the files that are not here yet.

    Raises:
        InputError: the database contains something else than `database_update` writes.
    """
    if hashlib.sha256(version.manifest.encode()).hexdigest() != version.state:
        raise _damaged(url, "negaposi_index.manifest does not fit its state")
    folder = cache(url)
    copy = folder / version.state
    if not copy.is_dir():
        places = [place for place in folder.iterdir() if place.name == WORK or STATE.fullmatch(place.name)]
        here = {file: place / file[0] for place in places for file in _files_here(place)}
        with temporary.folder(str(folder)) as staging:
            write_text(os.path.join(staging, MANIFEST), version.manifest)
            for file in files_of(Path(staging)).items():
                if not FILE.fullmatch(file[0]):
                    raise _damaged(url, f"negaposi_index.manifest names {quoted(file[0])}")
                target = Path(staging, file[0])
                target.parent.mkdir(exist_ok=True)
                with suppress(KeyError, FileNotFoundError):  # not here, or just removed by another process
                    link(here[file], target)
                    continue
                write_blocks(str(target), _content(connection, url, file[0]))
                if file_checksum(target) != file[1]:
                    raise _damaged(url, f"{file[0]} is damaged in negaposi_file")
            try:
                os.rename(staging, copy)
            except OSError:
                if not copy.is_dir():  # Otherwise another process has made the same copy.
                    raise
    with suppress(FileNotFoundError):
        os.utime(copy)
        copies = [place for place in folder.iterdir() if STATE.fullmatch(place.name)]
        for old in sorted(copies, key=lambda place: place.stat().st_mtime)[:-KEPT]:
            remove_tree(str(old))
    return copy


def files_of(folder: Path) -> dict[str, int]:
    """Returns the checksums of an index's files by name."""
    return read_manifest(folder, lambda manifest: manifest.checksums or {})


def _damaged(url: DatabaseUrl, what: str) -> InputError:
    fix = "remove the index (DELETE FROM negaposi_index WHERE name = ...), then make it again"
    return InputError(f"{url.shown}: {what}; {fix}")


def _files_here(folder: Path) -> list[tuple[str, int]]:
    with suppress(InputError, OSError):  # one that a writer has just begun
        return [*files_of(folder).items()]
    return []


def _content(connection: psycopg.Connection, url: DatabaseUrl, file: str) -> Iterator[bytes]:
    parts = "SELECT content FROM negaposi_file WHERE index_name = %s AND name = %s ORDER BY part"
    for (content,) in connection.cursor().stream(parts, (url.name, file), binary=True):
        yield content


def link(source: str | Path, target: str | Path) -> None:
    """Gives a file that never changes a second name, or copies it where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
