"""Checks what the value of a flag may be, and parses its text."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from checkpoints_tools.common.errors import quoted
from checkpoints_tools.common.paths import path_problem

Check = Callable[[Any], "str | None"]
"""Returns what is wrong with a value, or ``None``."""

MOST = 10**9
"""The upper limit of a count whose check does not set another."""
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def at_least(low: float, most: float = MOST) -> Check:
    """Returns a check that a number is at least ``low``, and at most ``most``, beyond which it must be a mistake."""
    return lambda value: None if low <= value <= most else f"must be at least {low} and at most {most:,}"


def above(low: float, most: float) -> Check:
    """Returns a check that a number is above ``low``, and at most ``most``, beyond which it must be a mistake."""
    return lambda value: None if low < value <= most else f"must be above {low} and at most {most:,}"


def between(low: float, high: float) -> Check:
    """Returns a check that a number is at least ``low`` and below ``high``."""
    return lambda value: None if low <= value < high else f"must be at least {low} and below {high:,}"


def text_problem(text: str) -> str | None:
    """Returns what makes a string unusable for any flag, and the fix; ``None`` if nothing does."""
    if not text.strip():
        return "is empty; give a value, or leave it out"
    if "\0" in text:
        return "has a NUL character; remove it"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8; write it in UTF-8"
    return None


def problem_of(
    value: object,
    kind: type,
    choices: Sequence[str] | None = None,
    check: Check | None = None,
    words: Sequence[str] = (),
) -> str | None:
    """Returns what is wrong with a value, or ``None``. A value read from a file may also have the wrong type.

    Args:
        value: as it was given.
        kind: what it must be; a whole number is a ``float`` too.
        choices: the only strings allowed.
        check: of a value of that kind.
        words: strings allowed in place of a number.
    """
    if isinstance(value, str) and value in words:
        return None
    if not isinstance(value, (int, float) if kind is float else kind) or (isinstance(value, bool) and kind is not bool):
        return " or ".join([f"must be {KINDS[kind]}", *words])
    if choices and value not in choices:
        return f"must be one of {', '.join(choices)}"
    return (text_problem(value) if isinstance(value, str) else None) or (check(value) if check else None)


def parser_of(
    kind: type, choices: Sequence[str] | None = None, check: Check | None = None, words: Sequence[str] = ()
) -> Callable[[str], Any]:
    """Returns the function by which argparse turns a flag's text into its value; its error messages are always short.

    Args:
        kind: of the value.
        choices: as in `problem_of`.
        check: as in `problem_of`, for a flag that is not the field of a configuration; fields are checked later.
        words: as in `problem_of`.
    """

    def parse(text: str) -> object:
        if text in words:
            return text
        if choices and text not in choices:
            raise argparse.ArgumentTypeError(f"invalid choice: {quoted(text)} (choose from {', '.join(choices)})")
        try:
            value = _boolean(text) if kind is bool else kind(text)
        except ValueError:
            expected = "is neither true nor false" if kind is bool else f"is an invalid {kind.__name__} value"
            raise argparse.ArgumentTypeError(f"{quoted(text)} {expected}") from None
        problem = problem_of(value, kind, None, check) if check else None
        if problem:
            raise argparse.ArgumentTypeError(f"{quoted(value)} {problem}")
        return value

    return parse


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise ValueError


a_path = parser_of(str, check=path_problem)
"""argparse's type of a file or folder."""
