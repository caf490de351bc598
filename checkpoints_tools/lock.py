"""One process at a time in a folder, local or on any path that ``tf.io.gfile`` takes.

The folder holds a file that names its owner, who keeps it fresh. Whoever comes next takes over what a dead process
left: on the same machine at once, on another after `STALE_S`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import exists, is_remote, join, make_folder, read_text, remove, sweep, write_text
from checkpoints_tools.options import say

NAME = "in_use.lock"
BEAT_S = 60.0
STALE_S = 600.0
SETTLE_S = 0.5


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process that works in a folder; ``since`` and ``beat`` are seconds since the epoch."""

    host: str
    pid: int
    since: float
    beat: float

    @property
    def gone(self) -> bool:
        """Whether it has died, as far as can be told."""
        if self.host == socket.gethostname():
            return not _is_alive(self.pid)
        return time.time() - self.beat > STALE_S

    def __str__(self) -> str:
        return (
            f"process {self.pid} on {self.host}, since {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.since))}"
        )


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if there is none; what a killed one left there is removed.

    Raises:
        InputError: another process is in it.
    """
    make_folder(folder)
    path = join(folder, NAME)
    now = time.time()
    me = Owner(socket.gethostname(), os.getpid(), now, now)
    _claim(path, me, folder)
    sweep(folder)
    done = threading.Event()
    beat = threading.Thread(target=_keep_fresh, args=(path, me, done), daemon=True)
    beat.start()
    try:
        yield
    finally:
        done.set()
        beat.join()
        remove(path)


def _claim(path: str, me: Owner, folder: str) -> None:
    made = _create(path, me)
    if not made:
        owner = _read(path)
        if not owner:  # it may be about to be written
            time.sleep(SETTLE_S)
            owner = _read(path)
        if not owner or owner.gone:
            say(f"{folder}: taken over from {owner or 'a process'}, which has died")
            remove(path)
            _create(path, me)
    if not made or is_remote(path):  # who came at the same moment has written by then, and the last one has it
        time.sleep(SETTLE_S)
    owner = _read(path)
    if owner != me:
        raise InputError(f"{folder}: in use by {owner}; wait until it is done, or give another folder")


def _create(path: str, me: Owner) -> bool:
    """Writes the file unless there is one. An object store cannot do both in one step: `_claim` reads it back."""
    if is_remote(path):
        if exists(path):
            return False
        write_text(path, _content(me))
        return True
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(_content(me))
    except FileExistsError:
        return False
    return True


def _read(path: str) -> Owner | None:
    try:
        return Owner(**json.loads(read_text(path)))
    except (InputError, ValueError, TypeError):  # cut short by a kill, or gone by now
        return None


def _content(owner: Owner) -> str:
    return json.dumps(dataclasses.asdict(owner)) + "\n"


def _keep_fresh(path: str, me: Owner, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        with suppress(Exception):  # a full disk, a store that is away: the work itself will meet it, and say so
            write_text(path, _content(dataclasses.replace(me, beat=time.time())))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # somebody else's
    return True
