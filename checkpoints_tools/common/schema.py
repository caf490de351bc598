"""Checks that a file of ours holds what its reader expects (msgspec), and names the key where it does not."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from checkpoints_tools.common.errors import LONGEST_VALUE, InputError, shortened
from checkpoints_tools.common.files import read_json

T = TypeVar("T")


def read_as(schema: type[T], path: str, fix: str) -> T:
    """Reads a JSON file as ``schema``.

    Args:
        schema: a dataclass, ``TypedDict``, ``dict[str, float]`` and so on; its annotations may carry `msgspec.Meta`.
            Keys it does not have are ignored, so that a newer version's file can be read.
        path: of the file.
        fix: what to do about a file that is damaged, the end of the message.

    Raises:
        InputError: the file cannot be read, or a key is missing or has a wrong type; names it.
    """
    try:
        value = read_json(path)
    except InputError as error:
        raise InputError(f"{error}; {fix}") from None
    return checked(schema, value, path, fix)


def checked(schema: type[T], value: Any, place: str, fix: str) -> T:  # noqa: ANN401
    """`read_as` of a value that was read already; ``place`` says where.

    Raises:
        InputError: as `read_as`.
    """
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}: {_in_words(shortened(str(error), 3 * LONGEST_VALUE))}; {fix}") from None
    except UnicodeEncodeError:
        raise InputError(f"{place}: half a surrogate pair in a key; {fix}") from None


def _in_words(message: str) -> str:
    """``Expected `int`, got `str` - at `$.pairs[0]``` as ``pairs[0]: expected int, got str``."""
    what, _, where = message.replace("`", "").partition(" - at ")
    what = what[:1].lower() + what[1:]
    where = where.removeprefix("key in ").removeprefix("$").removeprefix(".")
    return f"{where}: {what}" if where else what
