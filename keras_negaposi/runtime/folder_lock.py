"""A lock that lets one process at a time work in a folder, which may be local or any path that ``tf.io.gfile`` takes.

The lock file names its owner, who writes the time into it every `BEAT_S`. The next process takes over a lock that a
dead process left: at once on the same machine, after `STALE_S` on another one. Where the system has kernel locks, the
owner also holds one on the file, because processes in two containers cannot see each other.

We considered filelock 4 (``SoftFileLease`` has heartbeats and knows PID namespaces), portalocker and fasteners. None
locks gs:// paths, filelock must watch the lock of another machine for a whole lease before it can tell that the owner
is dead, and the other two do not recognize a dead owner on another machine at all.
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
"""Seconds between two beats of an owner."""
STALE_S = 600.0
"""Seconds without a beat after which an owner on another machine counts as dead; the clocks may differ."""
MISSED_BEATS = 3
"""Beats without which an owner on this machine counts as dead, if nobody holds the kernel lock."""
SETTLE_S = 0.5
"""Seconds in which a process that came at the same moment writes its lock."""
LONGEST = 1 << 16
"""Number of bytes that are read from a lock file."""
SIZE = 1024
"""Bytes of a lock file. The size is fixed so that a beat overwrites the file in place and is never half-written."""
FIX = "remove it if no process is using the folder"

Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]


@dataclasses.dataclass(frozen=True)
class Owner:
    """A process that works in a folder.

    Attributes:
        host: name of the machine.
        pid: process number, which counts within ``namespace``.
        since: when the work started, in seconds since the epoch.
        beat: when the process was last known to be alive, in seconds since the epoch.
        boot: `processes.boot_id`; empty in files of older versions.
        namespace: `processes.pid_namespace`; empty in files of older versions.
        started: `processes.start_time`; ``None`` in files of older versions.
    """

    host: str
    pid: Annotated[int, msgspec.Meta(ge=1, lt=2**31)]
    since: Seconds
    beat: Seconds
    boot: str = ""
    namespace: str = ""
    started: int | None = None

    def is_gone(self, free: bool | None) -> bool:
        """Returns whether the process is dead, as far as this machine can tell.

        Args:
            free: whether no process held the kernel lock on the file; ``None`` without kernel locks.
        """
        if free is False:
            return False
        # A process that this one can see
        here = self.host == socket.gethostname()
        if here and (self.boot, self.namespace) == (processes.boot_id(), processes.pid_namespace()):
            return not processes.runs(self.pid) or processes.start_time(self.pid) != self.started
        if here and not self.boot:  # written by an older version, or on a system without /proc
            began = processes.start_clock(self.pid)
            return not processes.runs(self.pid) or (began is not None and began > self.since + 1)
        # A process of another container on this machine would hold the kernel lock
        if free and self.boot and self.boot == processes.boot_id():
            return True
        # Another machine, or a machine that was restarted
        return time.time() - self.beat > (MISSED_BEATS * BEAT_S if here and free else STALE_S)

    def is_same(self, other: Owner | None) -> bool:
        """Returns whether the other owner is the same process, doing the same work."""
        return other is not None and dataclasses.replace(other, beat=self.beat) == self

    def __str__(self) -> str:
        since, beat = (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) for seconds in (self.since, self.beat)
        )
        return f"process {self.pid} on {self.host:.80}, since {since} (last seen {beat})"


def is_leftover(name: str) -> bool:
    """Returns whether a file is a lock, or the temporary file of a killed process."""
    return name == NAME or temporary.is_ours(name)


@contextmanager
def locked(folder: str) -> Iterator[None]:
    """Locks a folder for this process, creates it if necessary, and removes the temporary files of killed processes.

    Raises:
        InputError: another process is using the folder, or the lock file is invalid.
    """
    # Take the lock
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
    # Keep it until the work is done
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
    """A lock on a local folder. The kernel lock prevents two processes from taking over the same file at once."""

    def __init__(self, folder: str, me: Owner) -> None:
        self._path, self._me = join(folder, NAME), me
        self._descriptor, free = self._open()
        try:
            content = os.pread(self._descriptor, LONGEST, 0)
            if free is None and not _text(content):  # another process may be about to write it
                time.sleep(SETTLE_S)
                content = os.pread(self._descriptor, LONGEST, 0)
            owner = _parse(content, self._path)
            _check_gone(owner, free, folder, self._path)
            self._write()
            if free is None:  # of the processes that came at the same moment, the last one to write has the lock
                time.sleep(SETTLE_S)
                owner = _parse(os.pread(self._descriptor, LONGEST, 0), self._path)
                if not me.is_same(owner):
                    raise _in_use(owner, folder, self._path)
        except OSError as error:  # such as a full disk
            remove(self._path)
            os.close(self._descriptor)
            error.filename = self._path
            raise
        except BaseException:
            os.close(self._descriptor)
            raise

    def _open(self) -> tuple[int, bool | None]:
        """Returns the file's descriptor, and whether the kernel lock on it was free (as in `Owner.is_gone`)."""
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        while True:
            descriptor = os.open(self._path, flags | getattr(os, "O_BINARY", 0), 0o666)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise InputError(f"{self._path}: not a regular file; {FIX}")
            free = processes.try_lock(descriptor)
            if free is False or self._is_there(descriptor):
                return descriptor, free
            os.close(descriptor)  # the owner has finished, and removed the file

    def _is_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.lstat(self._path), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def beat(self) -> None:
        """Writes that the owner is alive."""
        self._write()

    def _write(self) -> None:
        content = _content(dataclasses.replace(self._me, beat=time.time())).encode()
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Removes the file, if this process still owns the lock."""
        mine = self._is_there(self._descriptor)
        if not processes.HAS_LOCKS:  # on Windows, an open file cannot be removed
            os.close(self._descriptor)
        if mine:
            remove(self._path)
        if processes.HAS_LOCKS:
            os.close(self._descriptor)


class _RemoteLock:
    """A lock on an object store, which cannot check and write in one step: the file is read again after a moment."""

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
        """Writes that the owner is alive, if it still owns the lock."""
        if self._me.is_same(_read(self._path)):
            self._write()

    def _write(self) -> None:
        write_text(self._path, _content(dataclasses.replace(self._me, beat=time.time())))

    def release(self) -> None:
        """Removes the file, if this process still owns the lock."""
        if self._me.is_same(_read(self._path)):
            remove(self._path)


def _check_gone(owner: Owner | None, free: bool | None, folder: str, path: str) -> None:
    """Checks that the owner of a lock is dead, and reports that the lock is taken over.

    Raises:
        InputError: the owner is alive.
    """
    if free is False or (owner and not owner.is_gone(free)):
        raise _in_use(owner, folder, path)
    if owner:
        say(f"{folder}: taken over from {owner}, which has died")


def _in_use(owner: Owner | None, folder: str, path: str) -> InputError:
    what = f"in use by {owner or 'another process'}; wait until it has finished, or give another folder"
    return InputError(f"{folder}: {what}; if it died on another machine, remove {path}")


def _read(path: str) -> Owner | None:
    try:
        return _parse(read_text(path).encode(), path)
    except InputError:  # removed by now, or not a lock file of ours
        return None


def _parse(content: bytes, path: str) -> Owner | None:
    """Returns the owner that a lock file names; ``None`` if the file is still empty.

    Raises:
        InputError: it is not a lock file.
    """
    text = _text(content)
    return checked(Owner, parse_json(text, path), path, FIX) if text else None


def _text(content: bytes) -> str:
    """Returns the content without its padding, and without the zeros that a power failure leaves."""
    return content.decode("utf-8", "replace").strip("\0 \r\n")


def _content(owner: Owner) -> str:
    return json.dumps(dataclasses.asdict(owner)).ljust(SIZE - 1) + "\n"


def _keep_fresh(lock: _LocalLock | _RemoteLock, done: threading.Event) -> None:
    while not done.wait(BEAT_S):
        with suppress(Exception):  # a full disk or lost connection; the work itself will fail and report it
            lock.beat()
