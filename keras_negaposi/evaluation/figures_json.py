"""Figures as JSON, which has no NaN and no infinity, and the training history."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Annotated

from msgspec import Meta

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, read_text, write_json
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

_NOT_JSON = re.compile(r"-?\b(?:NaN|Infinity)\b")
HISTORY_FIX = "remove the file to continue without the history"


def write_figures(path: str, value: object) -> None:
    """Writes JSON as `write_json` does, with null for NaN and infinity."""
    write_json(path, _without_nan(value))


@dataclasses.dataclass(frozen=True)
class Point:
    """Progress at a training step, an entry of ``history.json``; ``None`` stands for a value that was not finite."""

    step: Annotated[int, Meta(ge=0)]
    loss: float | None
    accuracy: float | None
    learning_rate: float | None = None
    pairs_per_second: float | None = None


def read_history(path: str) -> list[Point]:
    """Reads a ``history.json``; returns no points if there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    if not exists(path):
        return []
    try:
        text = _NOT_JSON.sub("null", read_text(path))  # older versions wrote a diverged loss as NaN
        value = parse_json(text, path)
    except InputError as error:
        raise InputError(f"{error}; {HISTORY_FIX}") from None
    return checked(list[Point], value, path, HISTORY_FIX)


def _without_nan(value: object) -> object:
    """Replaces NaN and infinity by ``None`` at any depth."""
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
