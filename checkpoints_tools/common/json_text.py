"""Parses JSON strictly: standard JSON only, no repeated keys, no numbers that are too large, no invalid Unicode.

msgspec and orjson are faster, but silently take the last value of a repeated key.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

from checkpoints_tools.common.errors import InputError, quoted

LARGEST_INTEGER = 2**63
MOST_DIGITS = 20
"""Most characters of an integer below `LARGEST_INTEGER`, with its sign."""
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""The beginning of an escaped surrogate, which is half of a character."""


def parse_json(text: str, place: str, one_line: bool = False) -> object:
    """Parses JSON.

    Args:
        text: JSON without a byte order mark.
        place: the file, or the file and line, for error messages.
        one_line: whether ``place`` names the line already.

    Raises:
        InputError: the text is not JSON, is nested too deeply, repeats a key in one object, or contains NaN, a number
            that is too large or half a surrogate pair.
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
    """Returns a decoder that rejects repeated keys, NaN and large numbers with an `InputError` that names ``place``."""

    def unique(items: list[tuple[str, object]]) -> dict[str, object]:
        result = dict(items)
        if len(result) < len(items):
            seen: set[str] = set()
            for key, _ in items:
                if key in seen:
                    raise key_twice(place, key)
                seen.add(key)
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
    """Returns the error for a key that appears twice in one object."""
    return InputError(f"{place}: the key {quoted(key)} appears twice in one object; keep one of the two")


def too_deep(place: str) -> InputError:
    """Returns the error for JSON that is nested too deeply."""
    return InputError(f"{place}: nested too deeply; is this the file that you meant?")


def check_strings(value: object, place: str) -> None:
    """Checks every string and key in a nested value with `check_text`.

    Raises:
        InputError: a string is invalid; the message names ``place`` and the nearest key.
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
    r"""Rejects lone surrogates (``"\ud800"`` in JSON), which are not valid Unicode and cannot be tokenized.

    Raises:
        InputError: the text contains one; the message names ``place`` and the character.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: character {error.start + 1} is half a surrogate pair; remove it") from None
