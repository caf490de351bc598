"""Which process this is, and whether another one still runs, as far as the operating system tells."""

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
"""Field 22 of ``/proc/PID/stat``, counted from what follows the command's name."""


@functools.cache
def boot_id() -> str:
    """What names this start of the operating system; empty where there is no ``/proc``."""
    return _read("/proc/sys/kernel/random/boot_id").strip()


def pid_namespace() -> str:
    """In which process numbers count, which a container has of its own; empty where there is no ``/proc``."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """When a process of this PID namespace began, in ticks since the boot; ``None`` if unknown, or there is none."""
    state = _state("self" if pid == os.getpid() else str(pid)) if _proc_is_ours() or pid == os.getpid() else []
    return int(state[START_TIME]) if state and state[0] not in "ZX" else None


def start_clock(pid: int) -> float | None:
    """`start_time` in seconds since the epoch."""
    ticks, uptime = start_time(pid), _read("/proc/uptime").split()
    return time.time() - float(uptime[0]) + ticks / os.sysconf("SC_CLK_TCK") if ticks is not None and uptime else None


def runs(pid: int) -> bool:
    """Whether there is a process with this number in this PID namespace, not counting what only awaits its parent."""
    if _proc_is_ours():
        state = _state(str(pid))
        if state:
            return state[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # somebody else's
    return True


def try_lock(descriptor: int) -> bool | None:
    """Takes the kernel's lock on an open file, which ends with its process, however that ends.

    Returns:
        Whether it was free; ``None`` if this system or file system has no such locks.
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
    """Whether ``/proc`` shows this PID namespace, and not one around it."""
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def _state(process: str) -> list[str]:
    return _read(f"/proc/{process}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
