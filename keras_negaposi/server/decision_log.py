"""Decisions about links in an SQLite file. What has been acknowledged survives kill -9 and power failures."""

from __future__ import annotations

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.decisions import UNDO, Decision, last_decisions

_TABLE = """CREATE TABLE IF NOT EXISTS decisions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    a TEXT NOT NULL, b TEXT NOT NULL, decision TEXT NOT NULL, at TEXT NOT NULL, text_a TEXT, text_b TEXT)"""


class DecisionLog:
    """A log of decisions. Threads and processes may share the file.

    Args:
        path: the SQLite file; it is made if it does not exist.

    Raises:
        InputError: the file cannot be used.
    """

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._decided: dict[str, set[str]] = defaultdict(set)
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(_TABLE)
            for a, b in last_decisions(self.all()):
                self._decided[a].add(b)
        except sqlite3.Error as error:
            raise InputError(f"{path}: not a file of decisions ({error}); give another --decisions") from None

    def add(self, decisions: Sequence[Decision]) -> None:
        """Adds decisions in one transaction. When this returns, they are on the disk."""
        rows = [(d.a, d.b, d.decision, d.at.isoformat(), d.text_a, d.text_b) for d in decisions]
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(
                    "INSERT INTO decisions (a, b, decision, at, text_a, text_b) VALUES (?, ?, ?, ?, ?, ?)", rows
                )
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            for decision in decisions:
                change = (
                    self._decided[decision.a].discard if decision.decision == UNDO else self._decided[decision.a].add
                )
                change(decision.b)

    def all(self) -> Iterator[Decision]:
        """Yields all decisions, in the order in which they were added."""
        last = 0
        while True:
            with self._lock:
                rows = self._database.execute(
                    "SELECT number, a, b, decision, at, text_a, text_b FROM decisions WHERE number > ? LIMIT 1000",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for _, a, b, decision, at, text_a, text_b in rows:
                yield Decision(a, b, decision, datetime.fromisoformat(at), text_a, text_b)

    def decided(self, a: str) -> frozenset[str]:
        """Returns the titles B about which something was decided for A, so that they are not suggested again."""
        with self._lock:
            return frozenset(self._decided.get(a, ()))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._database.close()
