"""stdin, stdout and stderr, which may be closed, full, or of an encoding that lacks Japanese."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO, TextIO

from checkpoints_tools.common.errors import InputError

_CLOSED = "is closed; open it, or give a file with"


def prepare_streams() -> None:
    r"""Makes any text printable, and sees to it that no file which is opened later takes the place of a closed stream.

    A character that the terminal's encoding lacks is shown as Python writes it (``\u5e83``). What is written to a
    closed stderr is lost.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def say(line: str) -> None:
    """Tells the user something, at once, also when stdout is a file; nobody, where it is closed."""
    if sys.stdout is not None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def standard_output(instead: str) -> TextIO:
    """Where a command's result goes.

    Args:
        instead: the flag that names a file.

    Raises:
        InputError: it is closed.
    """
    if sys.stdout is None:
        raise InputError(f"stdout {_CLOSED} {instead}")
    return sys.stdout


def standard_input(instead: str) -> BinaryIO:
    """What was piped or typed in.

    Args:
        instead: the flag that names a file.

    Raises:
        InputError: it is closed.
    """
    if sys.stdin is None:
        raise InputError(f"stdin {_CLOSED} {instead}")
    return sys.stdin.buffer
