"""How a command can end early because of what the user gave, or wants."""

from __future__ import annotations

import json
import reprlib

LONGEST_VALUE = 80
"""Characters of a value that a message quotes; the middle of a longer one is left out."""
LONGEST_MESSAGE = 1000
"""Characters of a whole message, whatever was put into it."""
RUN_AGAIN = "run the same command again"
"""The end of a message about a problem that is not in the command."""

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother = 3, LONGEST_VALUE, LONGEST_VALUE


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is a single line that names the file or option, the place in it, and the fix. Commands print it
    and exit with code 2; library callers catch it as a ``ValueError``.
    """


class Stopped(Exception):
    """The user, or the machine, has asked for an end, and what was done is kept; the message says how to resume.

    Attributes:
        signal: its number.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def quoted(value: object) -> str:
    """A value as a message shows it: in quotation marks if it is a string, on one line, and never long."""
    if isinstance(value, str):
        return json.dumps(shortened(value, LONGEST_VALUE), ensure_ascii=False)
    return shortened(_REPR.repr(value), LONGEST_VALUE)


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and end where it has more than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest * 2 // 3]} … {text[-longest // 3 :]}"
