"""One process at a time in a folder, local or on any path that ``tf.io.gfile`` takes.

The folder holds a file that names its owner, who keeps it fresh. Whoever comes next takes over what a dead process
left: on the same machine at once, on another after `STALE_S`. Where there are kernel locks the owner also has one on
the file, which tells containers apart.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import msgspec

from checkpoints_tools.common import processes, temporary
from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, join, make_folder, read_text, remove, sweep, write_text
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

NAME = "in_use.lock"
BEAT_S = 60.0
STALE_S = 600.0
MISSED_BEATS = 3
SETTLE_S = 0.5
LONGEST = 1 << 16
"""Bytes of a lock file that are read."""
SIZE = 1024
"""Bytes of a lock file, so that a beat replaces it in place and is never seen half-written."""
FIX = "remove it if no process works in the folder"

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process that works in a folder; ``since`` and ``beat`` are seconds since the epoch.

    The rest is as in `processes`, and missing in what an older version wrote.
    """

    host: str
    pid: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    since: Seconds
    beat: Seconds
    boot: str = ""
    namespace: str = ""
    started: int | None = None

    def is_gone(self, free: bool | None) -> bool:
        """Whether it has died, as far as can be told.

        Args:
            free: whether nobody had the kernel's lock on the file; ``None`` if there are no such locks.
        """
        if free is False:
            return False
        here = self.host == socket.gethostname()
        if here and (self.boot, self.namespace) == (processes.boot_id(), processes.pid_namespace()):
            return not processes.runs(self.pid) or processes.start_time(self.pid) != self.started
        if here and not self.boot:  # an older version's, or a system without /proc
            began = processes.start_clock(self.pid)
            return not processes.runs(self.pid) or (began is not None and began > self.since + 1)
        if free and self.boot and self.boot == processes.boot_id():
            return True
        return time.time() - self.beat > (MISSED_BEATS * BEAT_S if here and free else STALE_S)

    def is_same(self, other: Owner | None) -> bool:
        """Whether the other one is the same process at the same work."""
        return other is not None and dataclasses.replace(other, beat=self.beat) == self

    def __str__(self) -> str:
        since, beat = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) for seconds in (self.since, self.beat)
        )
        return f"process {self.pid} on {self.host:.80}, since {since} (last seen {beat})"


def is_leftover(name: str) -> bool:
    """Whether a file is a lock, or what a process leaves that is killed before its first file is complete."""
    return name == NAME or temporary.is_ours(name)


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keeps other processes out of a folder, which is made if there is none; what a killed one left there is removed.

    Raises:
        InputError: another process is in it, or its lock file is none of ours.
    """
    make_folder(folder)
    now = time.time()
    me = Owner(
        socket.gethostname(),
        os.getpid(),
        now,
        now,
        processes.boot_id(),
        processes.pid_namespace(),
        processes.start_time(os.getpid()),
    )
    lock = (_RemoteLock if is_remote(folder) else _LocalLock)(folder, me)
    done = threading.Event()
    beat = threading.Thread(target=_keep_fresh, args=(lock, done), daemon=True)
    try:
        sweep(folder)
        beat.start()
        yield
    finally:
        done.set()
        if beat.ident:
            beat.join()
        lock.release()


class _LocalLock:
    """The lock file is taken over in place, with the kernel's lock on it, so that no two can do so at once."""

    def __init__(self, folder: str, me: Owner) -> None:
        self._path, self._me = join(folder, NAME), me
        self._descriptor, free = self._open()
        try:
            content = os.pread(self._descriptor, LONGEST, 0)
            if free is None and not _text(content):  # it may be about to be written
                time.sleep(SETTLE_S)
                content = os.pread(self._descriptor, LONGEST, 0)
            owner = _parse(content, self._path)
            _check_gone(owner, free, folder, self._path)
            self._write()
            if free is None:  # who came at the same moment has written by then, and the last one has it
                time.sleep(SETTLE_S)
                owner = _parse(os.pread(self._descriptor, LONGEST, 0), self._path)
                if not me.is_same(owner):
                    raise _in_use(owner, folder, self._path)
        except OSError as error:  # a full disk
            remove(self._path)
            os.close(self._descriptor)
            error.filename = self._path
            raise
        except BaseException:
            os.close(self._descriptor)
            raise

    def _open(self) -> tuple[int, bool | None]:
        """The file's descriptor, and whether the kernel's lock on it was free."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        while True:
            descriptor = os.open(self._path, flags | getattr(os, "O_BINARY", 0), 0o666)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise InputError(f"{self._path}: not a regular file; {FIX}")
            free = processes.try_lock(descriptor)
            if free is False or self._is_there(descriptor):
                return descriptor, free
            os.close(descriptor)  # its owner was done, and removed it

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def beat(self) -> None:
        """Says that the owner is alive."""
        self._write()

    def _write(self) -> None:
        content = _content(dataclasses.replace(self._me, beat=time.time())).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Removes the file, if it is still this process's."""
        mine = self._is_there(self._descriptor)
        if not processes.HAS_LOCKS:  # Windows, where an open file cannot be removed
            os.close(self._descriptor)
        if mine:
            remove(self._path)
        if processes.HAS_LOCKS:
            os.close(self._descriptor)


class _RemoteLock:
    """An object store cannot look and write in one step, so what was written is read back after a moment."""

    def __init__(self, folder: str, me: Owner) -> None:
        self._path, self._me = join(folder, NAME), me
        if exists(self._path):
            _check_gone(_parse(read_text(self._path).encode(), self._path), None, folder, self._path)
        self._write()
        time.sleep(SETTLE_S)
        owner = _read(self._path)
        if not me.is_same(owner):
            raise _in_use(owner, folder, self._path)

    def beat(self) -> None:
        """Says that the owner is alive, if the lock is still its own."""
        if self._me.is_same(_read(self._path)):
            self._write()

    def _write(self) -> None:
        write_text(self._path, _content(dataclasses.replace(self._me, beat=time.time())))

    def release(self) -> None:
        """Removes the file, if it is still this process's."""
        if self._me.is_same(_read(self._path)):
            remove(self._path)


def _check_gone(owner: Owner | None, free: bool | None, folder: str, path: str) -> None:
    """Says that a dead owner's folder is taken over.

    Raises:
        InputError: the owner is alive.
    """
    if free is False or (owner and not owner.is_gone(free)):
        raise _in_use(owner, folder, path)
    if owner:
        say(f"{folder}: taken over from {owner}, which has died")


def _in_use(owner: Owner | None, folder: str, path: str) -> InputError:
    what = f"in use by {owner or 'another process'}; wait until it is done, or give another folder"
    return InputError(f"{folder}: {what}; if it has died on another machine, remove {path}")


def _read(path: str) -> Owner | None:
    try:
        return _parse(read_text(path).encode(), path)
    except InputError:  # gone by now, or somebody else's
        return None


def _parse(content: bytes, path: str) -> Owner | None:
    """The owner; ``None`` if nothing was written yet.

    Raises:
        InputError: it is no lock file.
    """
    text = _text(content)
    return checked(Owner, parse_json(text, path), path, FIX) if text else None


def _text(content: bytes) -> str:
    """Without the zeros that a power cut leaves, and the spaces that fill it up."""
    return content.decode("utf-8", "replace").strip("\0 \r\n")


def _content(owner: Owner) -> str:
    return json.dumps(dataclasses.asdict(owner)).ljust(SIZE - 1) + "\n"


def _keep_fresh(lock: _LocalLock | _RemoteLock, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        with suppress(Exception):  # a full disk, a store that is away: the work itself will meet it, and say so
            lock.beat()
