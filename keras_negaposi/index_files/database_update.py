"""Writes an index to a PostgreSQL database: one writer at a time, and all of a version in one transaction.

A writer works on ``CACHE/INDEX/write/``, which begins as a copy of the present version (see `database_copy`). If it is
killed, the next one continues there, provided that the database is still at the version in ``write.base``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from checkpoints_tools.common.cli import RUN_AGAIN, say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_text, remove_tree, write_text
from keras_negaposi.config.index_path import DatabaseUrl, database_url, is_database
from keras_negaposi.data.texts import text_key
from keras_negaposi.index_files.database import connected, make_tables
from keras_negaposi.index_files.database_copy import (
    NONE,
    WORK,
    Version,
    cache,
    copy_of,
    files_of,
    link,
    present_version,
)
from keras_negaposi.index_files.manifest import MANIFEST, read_manifest
from keras_negaposi.index_files.store import Store
from keras_negaposi.runtime.folder_lock import locked

if TYPE_CHECKING:
    import psycopg

PART = 4 << 20
"""Bytes of a file in one row."""


def keys_before(path: str) -> set[str]:
    """Checks whether an index can be written, and returns the keys of its texts, if they are in a folder.

    Raises:
        InputError: the folder is something else, or the database cannot be used.
    """
    if not is_database(path):
        return Store(path).keys()
    with connected(database_url(path)) as connection:
        make_tables(connection)
    return set()


@contextmanager
def updating(path: str) -> Iterator[str]:
    """Locks an index and yields the folder to update; a database gets what has changed when the block succeeds.

    Another writer to the database waits until this one has finished.

    Raises:
        InputError: another process uses the folder, or the database cannot be used.
    """
    if not is_database(path):
        with locked(path):
            yield path
        return
    url = database_url(path)
    folder, mark = cache(url) / WORK, cache(url) / f"{WORK}.base"
    with connected(url) as connection:
        make_tables(connection)
        _wait_for_others(connection, url)
        with locked(str(cache(url))):
            base = present_version(connection, url)
            copy = copy_of(base, connection, url) if base != NONE else None
            if not (mark.exists() and mark.read_text() == base.state):
                mark.unlink(missing_ok=True)
                remove_tree(str(folder))
                if copy:
                    shutil.copytree(copy, folder, copy_function=link)
                write_text(str(mark), base.state)
            yield str(folder)
            write_text(str(mark), _push(connection, url, folder, base, _pages(copy) if copy else {}))


def _wait_for_others(connection: psycopg.Connection, url: DatabaseUrl) -> None:
    """Takes the lock of the index's writers, which ends with the connection."""
    digest = hashlib.sha256(f"keras_negaposi {url.name}".encode()).digest()
    number = int.from_bytes(digest[:8], "big", signed=True)
    ((free,),) = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,))
    if not free:
        say(f"{url.shown}: waiting until another process has written the index")
        connection.execute("SELECT pg_advisory_lock(%s)", (number,))


def _push(connection: psycopg.Connection, url: DatabaseUrl, folder: Path, base: Version, before: dict[str, str]) -> str:
    """Writes the next version in one transaction, and returns its state.

    Args:
        connection: to the server.
        url: of the index.
        folder: with the next version.
        base: the version that was updated.
        before: its pages.

    Raises:
        InputError: the database has another version now, because the lock was lost together with a connection.
    """
    manifest = read_text(str(folder / MANIFEST))
    state, files, pages = hashlib.sha256(manifest.encode()).hexdigest(), files_of(folder), _pages(folder)
    if state == base.state:
        return state
    with connection.transaction(), connection.cursor() as cursor:
        found = cursor.execute(
            "INSERT INTO negaposi_index (name, version, state, manifest) VALUES (%(name)s, 1, %(state)s, %(manifest)s) "
            "ON CONFLICT (name) DO UPDATE SET version = negaposi_index.version + 1, state = %(state)s, "
            "manifest = %(manifest)s, changed = now() "
            "WHERE (negaposi_index.version, negaposi_index.state) = (%(number)s, %(old)s) RETURNING version",
            {"name": url.name, "state": state, "manifest": manifest, "number": base.number, "old": base.state},
        ).fetchone()
        if found is None:
            raise InputError(f"{url.shown}: another process has written this index meanwhile; {RUN_AGAIN}")
        before = before if found[0] > 1 else {}  # Someone may have deleted the index meanwhile.

        # 1. Files
        cursor.execute("SELECT name, checksum FROM negaposi_file WHERE index_name = %s AND part = 0", (url.name,))
        stored: dict[str, int] = dict(cursor.fetchall())
        sent = [name for name, checksum in files.items() if stored.get(name) != checksum]
        old = [*(stored.keys() - files.keys()), *sent]
        cursor.execute("DELETE FROM negaposi_file WHERE index_name = %s AND name = ANY(%s)", (url.name, old))
        columns = "index_name, name, checksum, part, content"
        size = 0
        with cursor.copy(f"COPY negaposi_file ({columns}) FROM STDIN (FORMAT BINARY)") as rows:
            rows.set_types(["text", "text", "int8", "int4", "bytea"])
            for name in sent:
                for part, content in enumerate(_parts(folder / name)):
                    rows.write_row((url.name, name, files[name], part, content))
                    size += len(content)

        # 2. Pages
        changed = {title: text for title, text in pages.items() if before.get(title) != text}
        old = [*(before.keys() - pages.keys()), *changed]
        cursor.execute("DELETE FROM negaposi_page WHERE index_name = %s AND title = ANY(%s)", (url.name, old))
        with cursor.copy("COPY negaposi_page (index_name, title, text, key) FROM STDIN") as rows:
            for title, text in changed.items():
                rows.write_row((url.name, title, text, text_key(text)))
    say(f"{url.shown}: version {found[0]}, {len(sent):,} of {len(files):,} files sent, {size / 1e6:,.1f} MB")
    return state


def _parts(file: Path) -> Iterator[bytes]:
    """Yields a file's content; one empty part of an empty file."""
    with open(file, "rb") as opened:
        yield opened.read(PART)
        while part := opened.read(PART):
            yield part


def _pages(folder: Path) -> dict[str, str]:
    """Returns the pages of an index, title -> text; PostgreSQL's texts cannot contain NUL."""
    pages = json.loads((folder / read_manifest(folder, lambda manifest: manifest.pages)).read_bytes())
    return {title.replace("\0", "\ufffd"): text.replace("\0", "\ufffd") for title, text in pages.items()}
