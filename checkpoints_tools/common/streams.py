"""Uses stdin, stdout and stderr, which may be closed, or have an encoding without Japanese."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO

from checkpoints_tools.common.errors import InputError

LOGGER = logging.getLogger("keras_negaposi")
"""Gets every line of `say` as a record of level INFO."""
_prints = False
_CLOSED = "is closed; open it, or give a file with"


def prepare_streams() -> None:
    r"""Makes any text printable, and keeps files that are opened later from taking the descriptor of a closed stream.

    A character that the terminal's encoding lacks is printed as an escape (``\u5e83``). Text written to a closed
    stderr is lost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Logs a line about the progress or the result of the work.

    Where lines are `printed`, it also goes to stdout without buffering, also if stdout is a file; not if it is closed.
    """
    LOGGER.info("%s", line)
    if _prints and sys.stdout is not None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


@contextmanager
def printed() -> Iterator[None]:
    """Prints the lines of `say` within the block, as commands do; without it, the library is quiet.

    This is not a handler of the logger, because the lines of a command must be printed once, also where a library has
    configured the root logger, and because an error in writing, such as a full disk, must end the command.
    """
    global _prints
    before, _prints = _prints, True
    try:
        yield
    finally:
        _prints = before


def standard_output(instead: str) -> TextIO:
    """Returns stdout for a command's result.

    Args:
        instead: the flag that names a file instead.

    Raises:
        InputError: stdout is closed.
    """
    if sys.stdout is None:
        raise InputError(f"stdout {_CLOSED} {instead}")
    return sys.stdout


def standard_input(instead: str) -> BinaryIO:
    """Returns stdin as a binary stream.

    Args:
        instead: the flag that names a file instead.

    Raises:
        InputError: stdin is closed.
    """
    if sys.stdin is None:
        raise InputError(f"stdin {_CLOSED} {instead}")
    return sys.stdin.buffer
