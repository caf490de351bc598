"""A sentence that the page shows in the reader's language: a key of ``words.json``, and what fills its places."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files

Value = str | int | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Message:
    """A sentence of the interface.

    Attributes:
        key: of ``words.json``.
        values: by the name of a place, ``{name}``, what stands there; a sequence is a list of further keys.
    """

    key: str
    values: Mapping[str, Value] = dataclasses.field(default_factory=dict)

    def english(self) -> str:
        """Returns the sentence in English, for a terminal or a program."""
        return _english()[self.key].format_map({name: _shown(value) for name, value in self.values.items()})

    def to_json(self) -> tuple[str, Mapping[str, Value]]:
        """Returns what the page's JavaScript translates."""
        return self.key, self.values


def _shown(value: Value) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return value if isinstance(value, str) else ", ".join(_english()[key] for key in value)


@functools.cache
def _english() -> dict[str, str]:
    return json.loads((files(__package__) / "words.json").read_text(encoding="utf-8"))["en"]
