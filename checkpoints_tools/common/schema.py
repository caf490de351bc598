"""Validates the JSON files of this project against a schema (with msgspec), and names the invalid key."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from checkpoints_tools.common.errors import LONGEST_VALUE, InputError, shortened
from checkpoints_tools.common.files import read_json

T = TypeVar("T")


def read_as(schema: type[T], path: str, fix: str) -> T:
    """Reads a JSON file and converts it to ``schema``.

    Args:
        schema: a dataclass, ``TypedDict``, ``dict[str, float]`` and so on; its annotations may contain `msgspec.Meta`.
            Unknown keys are ignored, so that files of newer versions can be read.
        path: path of the file.
        fix: what to do about a damaged file, the end of the message.

    Raises:
        InputError: the file cannot be read, or a key is missing or has an invalid type; the message names it.
    """
    try:
        value = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {fix}") from None
    return checked(schema, value, path, fix)


def checked(schema: type[T], value: Any, place: str, fix: str) -> T:  # noqa: ANN401
    """Converts a value that is already read to ``schema``.

    Args:
        schema: as in `read_as`.
        value: the parsed JSON.
        place: where the value was read, for the message.
        fix: as in `read_as`.

    Raises:
        InputError: a key is missing or has an invalid type; the message names it.
    """
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {_in_words(shortened(str(error), 3 * LONGEST_VALUE))}; {fix}") from None
    except UnicodeEncodeError:
        raise InputError(f"{place}: half a surrogate pair in a key; {fix}") from None


def _in_words(message: str) -> str:
    """Turns ``Expected `int`, got `str` - at `$.pairs[0]``` into ``pairs[0]: expected int, got str``."""
    what, _, where = message.replace("`", "").partition(" - at ")
    what = what[:1].lower() + what[1:]
    where = where.removeprefix("key in ").removeprefix("$").removeprefix(".")
    return f"{where}: {what}" if where else what
