"""JSON as this project reads it: standard JSON only, no key twice in an object, no large numbers, no broken text."""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from checkpoints_tools.common.errors import InputError, quoted

LARGEST_INTEGER = 2**63
MOST_DIGITS = 20
"""Digits of an integer below `LARGEST_INTEGER`, and its sign."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""How an escaped character begins that stands for half a character."""


def parse_json(text: str, place: str, one_line: bool = False) -> object:
    """Parses JSON.

    Args:
        text: without a byte order mark.
        place: the file, or the file and line, as an error names it.
        one_line: whether ``place`` names the line already.

    Raises:
        InputError: not JSON, nested too deeply, a key twice in one object, NaN, a number that is too large, or a string
            that is no text.
    """
    if not text.strip(" \t\n\r"):
        raise InputError(f"{place}: the file is empty")
    try:
        value = make_decoder(place).decode(text)
    except json.JSONDecodeError as error:
        line = "" if one_line else f"line {error.lineno}, "
        raise InputError(f"{place}: not JSON at {line}column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise too_deep(place) from None
    if SURROGATE.search(text):
        check_strings(value, place)
    return value


def make_decoder(place: str) -> json.JSONDecoder:
    """A decoder that refuses a key twice in one object, NaN and large numbers; what it raises names ``place``."""

    def unique(items: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(items)
        if len(result) < len(items):
            seen: set[str] = set()
            raise key_twice(place, next(key for key, _ in items if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
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

    return json.JSONDecoder(object_pairs_hook=unique, parse_int=integer, parse_float=real, parse_constant=constant)


def key_twice(place: str, key: str) -> InputError:
    """Of two members with one name."""
    return InputError(f"{place}: the key {quoted(key)} appears twice in one object; keep one of the two")


def too_deep(place: str) -> InputError:
    """Of lists in lists without end."""
    return InputError(f"{place}: nested too deeply; is this the file that you meant?")


def check_strings(value: object, place: str) -> None:
    """`check_text` of every string and key in a value, however deep.

    Raises:
        InputError: names ``place`` and the nearest key.
    """
    waiting = [(value, place)]
    while waiting:
        item, where = waiting.pop()
        if isinstance(item, str):
            check_text(item, where)
        elif isinstance(item, dict):
            for key in item:
                check_text(key, f"{place}: a key")
            waiting += ((member, f"{place}: the value of {quoted(key)}") for key, member in item.items())
        elif isinstance(item, list):
            waiting += ((member, where) for member in item)


def check_text(text: str, place: str) -> None:
    r"""Refuses lone surrogates (``"\ud800"`` in JSON), which are no text and cannot be tokenized.

    Raises:
        InputError: names ``place`` and the character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: character {error.start + 1} is half a surrogate pair; remove it") from None
