"""The PostgreSQL database that keeps indexes (extra postgres): its tables, connections to it, and its errors."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from checkpoints_tools.common.errors import RUN_AGAIN, InputError, shortened
from keras_negaposi.config.index_path import DatabaseUrl

if TYPE_CHECKING:
    import psycopg

TABLES = """
CREATE TABLE negaposi_index (
    name text PRIMARY KEY, version bigint NOT NULL, state text NOT NULL, manifest json NOT NULL,
    changed timestamptz NOT NULL DEFAULT now());
CREATE TABLE negaposi_file (
    index_name text NOT NULL REFERENCES negaposi_index ON DELETE CASCADE,
    name text NOT NULL, checksum bigint NOT NULL, part int NOT NULL, content bytea NOT NULL,
    PRIMARY KEY (index_name, name, part));
CREATE TABLE negaposi_page (
    index_name text NOT NULL REFERENCES negaposi_index ON DELETE CASCADE,
    title text NOT NULL, text text NOT NULL, key text NOT NULL);
CREATE INDEX negaposi_page_key ON negaposi_page (index_name, key);
CREATE INDEX negaposi_page_title ON negaposi_page USING hash (title);
"""
"""``state`` is the SHA-256 of the manifest; json, unlike jsonb, keeps its bytes. A file's first part has number 0."""
TABLES_LOCK = 0x6B_6E_70_74
"""Number of the advisory lock under which the tables are made."""
OPTIONS = {"client_encoding": "utf8", "connect_timeout": "10", "keepalives_idle": "60"}
"""Of a connection, unless the URL has its own."""
LONGEST_REASON = 400
"""Characters of what PostgreSQL says."""


def connect(url: DatabaseUrl) -> psycopg.Connection:
    """Connects to the server; every statement is a transaction of its own, unless one is begun.

    Raises:
        InputError: the driver is missing, or cannot read the URL.
        psycopg.Error: the server refuses, or cannot be reached.
    """
    if not importlib.util.find_spec("psycopg"):
        raise InputError(f"{url.shown}: needs psycopg; pip install 'keras_negaposi[postgres]'")
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        options: dict[str, Any] = OPTIONS | conninfo_to_dict(url.server)
    except psycopg.Error:  # It may quote the password.
        raise InputError(f"{url.shown}: not a URL; write postgresql://USER@HOST:PORT/DATABASE?index=NAME") from None
    connection = psycopg.connect(make_conninfo(**options), autocommit=True)
    connection.execute("SET tcp_keepalives_idle = 60")  # The server soon ends the locks of a machine that is gone.
    return connection


@contextmanager
def explained(url: DatabaseUrl) -> Iterator[None]:
    """Turns errors of the database into one line with the fix.

    Raises:
        InputError: there was one.
    """
    try:
        yield
    except Exception as error:
        if not hasattr(error, "sqlstate"):
            raise
        reason = shortened(" ".join(str(error).split()), LONGEST_REASON)
        raise InputError(f"{url.shown}: {reason}; {_fix(error.sqlstate, reason)}") from None


@contextmanager
def connected(url: DatabaseUrl) -> Iterator[psycopg.Connection]:
    """Yields a connection and closes it.

    Raises:
        InputError: the driver is missing, or there was an error of the database.
    """
    with explained(url), connect(url) as connection:
        yield connection


def make_tables(connection: psycopg.Connection) -> None:
    """Makes the tables, if there are none in the schemas that the role sees."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (TABLES_LOCK,))
        if not has_tables(connection):
            connection.execute(TABLES)


def has_tables(connection: psycopg.Connection) -> bool:
    """Returns whether the tables are there."""
    ((found,),) = connection.execute("SELECT to_regclass('negaposi_index') IS NOT NULL")
    return found


def _fix(code: str | None, reason: str) -> str:
    if code == "42501":
        return "ask the owner of the database for that right (GRANT)"
    if code == "42P01":
        return "make the index with python -m keras_negaposi.index"
    if code == "25006":
        return "give the primary server, which can be written to"
    if code is None and "password" in reason:
        return "give it in the variable PGPASSWORD or in ~/.pgpass"
    if code is None and "does not exist" in reason:
        return "check the name, or create it with createdb or createuser"
    if code is None or code[:2] in ("08", "57"):
        return f"check that the server runs there, then {RUN_AGAIN}"
    return f"solve that, then {RUN_AGAIN}"
