"""JSON as this project reads it: standard JSON only, no key twice in an object, numbers of a machine's size."""

from __future__ import annotations

import json
import math
from typing import NoReturn

from checkpoints_tools.errors import InputError, quoted

LARGEST_INTEGER = 2**63
MOST_DIGITS = 20
"""Digits of an integer below `LARGEST_INTEGER`, and its sign."""


def parse_json(text: str, place: str) -> object:
    """Parses JSON.

    Args:
        text: without a byte order mark.
        place: the file, or the file and line, as an error names it.

    Raises:
        InputError: not JSON, nested too deeply, a key twice in one object, NaN, or a number that is too large.
    """

    def unique(items: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(items)
        if len(result) < len(items):
            seen: set[str] = set()
            twice = next(key for key, _ in items if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise InputError(f"{place}: the key {quoted(twice)} appears twice in one object; keep one of the two")
        return result

    def integer(digits: str) -> int:
        if len(digits) > MOST_DIGITS or not -LARGEST_INTEGER <= (value := int(digits)) < LARGEST_INTEGER:
            raise InputError(f"{place}: the number {quoted(digits)} is too large; correct it")
        return value

    def real(digits: str) -> float:
        value = float(digits)
        if math.isinf(value):
            raise InputError(f"{place}: the number {quoted(digits)} is too large; correct it")
        return value

    def constant(name: str) -> NoReturn:
        raise InputError(f"{place}: {name} is not JSON; write a number, or null")

    if not text.strip():
        raise InputError(f"{place}: the file is empty")
    try:
        return json.loads(text, object_pairs_hook=unique, parse_int=integer, parse_float=real, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{place}: not JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply; is this the file that you meant?") from None
