"""Exceptions that end a command with one line for the user, and how values are quoted in that line."""

from __future__ import annotations

import difflib
import json
import re
import reprlib
from collections.abc import Iterable

LONGEST_VALUE = 80
"""Most characters of a value in a message; the middle of a longer one is left out."""
LONGEST_MESSAGE = 1000
"""Most characters of a whole message."""
RUN_AGAIN = "run the same command again"
"""The end of a message about a problem that is not in the command."""

_REPR = reprlib.Repr()
_REPR.maxlevel, _REPR.maxstring, _REPR.maxother = 3, LONGEST_VALUE, LONGEST_VALUE


class InputError(ValueError):
    """The user's input is invalid: a file, an option or a value.

    The message is a single line that names the file or option, the place in it, and the fix. Commands print it
    and exit with code 2; callers of the library catch it as a ``ValueError``.
    """


class Stopped(Exception):
    """A signal stopped the work, which is saved so far; the message says how to resume.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.signal = signal


def quoted(value: object) -> str:
    """Formats a value for a message: on one line, shortened, and in quotation marks if it is a string."""
    if isinstance(value, str):
        return json.dumps(shortened(masked(value), LONGEST_VALUE), ensure_ascii=False)
    return shortened(_REPR.repr(value), LONGEST_VALUE)


def masked(text: str) -> str:
    """Returns the text with ``***`` in place of the passwords in its URLs."""
    text = re.sub(r"(://[^/\s:@]*:)\S*@", r"\1***@", text)
    return re.sub(r"([?&]\w*password=)[^&\s\"']*", r"\1***", text)


def shortened(text: str, longest: int) -> str:
    """Returns the text, or its beginning and end if it has more than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest * 2 // 3]} … {text[-longest // 3 :]}"


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Returns the end of a message about an unknown name: the most similar of ``names``, or nothing if none is."""
    similar = difflib.get_close_matches(word[:LONGEST_VALUE], list(names), 1)
    return f"; did you mean {similar[0]}?" if similar else ""
