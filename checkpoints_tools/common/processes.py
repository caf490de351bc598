"""Identifies processes, checks whether they still run, and takes the kernel's file locks.

psutil gives start times and states too, but knows no boot id and no PID namespaces (containers); filelock locks only
files that it opens itself, not the descriptor of a file or folder that is in use.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
HAS_LOCKS = fcntl is not None

START_TIME = 19
"""Index of the start time (field 22 of ``/proc/PID/stat``) among the fields after the command's name."""


@functools.cache
def boot_id() -> str:
    """Returns the id of the current boot of the operating system; empty without ``/proc``."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def pid_namespace() -> str:
    """Returns the PID namespace of this process, which differs between containers; empty without ``/proc``."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """Returns the start time of a process of this PID namespace, in ticks since the boot.

    Returns ``None`` if it is unknown, or if the process does not run.
    """
    state = _state("self" if pid == os.getpid() else str(pid)) if _proc_is_ours() or pid == os.getpid() else []
    return int(state[START_TIME]) if state and state[0] not in "ZX" else None


def start_clock(pid: int) -> float | None:
    """Returns the start time of a process in seconds since the epoch; ``None`` as `start_time`."""
    ticks, uptime = start_time(pid), _read("/proc/uptime").split()
    return time.time() - float(uptime[0]) + ticks / os.sysconf("SC_CLK_TCK") if ticks is not None and uptime else None


def runs(pid: int) -> bool:
    """Returns whether a process with this id runs in this PID namespace; zombies do not count."""
    if _proc_is_ours():
        state = _state(str(pid))
        if state:
            return state[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it is another user's
    return True


def try_lock(descriptor: int) -> bool | None:
    """Takes the kernel's exclusive lock on an open file; the kernel releases it when the process ends in any way.

    Returns:
        Whether the lock was free; ``None`` if this system or file system has no such locks.
    """
    if not HAS_LOCKS:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _proc_is_ours() -> bool:
    """Returns whether ``/proc`` shows this PID namespace, and not its parent."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _state(process: str) -> list[str]:
    """Returns the fields of ``/proc/PID/stat`` after the command's name; the first is the state."""
    return _read(f"/proc/{process}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
