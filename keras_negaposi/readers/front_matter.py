"""The YAML between lines of three dashes at the beginning of a note: never text, but it has the note's other names."""

from __future__ import annotations

import re

import yaml

_BLOCK = re.compile(r"---[ \t]*\n(?P<yaml>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_KEY = re.compile(r"^[^\s#:][^:\n]*:", re.MULTILINE)
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # every scalar as a string: no date can be wrong
LARGEST = 64 << 10
"""Characters that are parsed; more of them is dropped like the rest, but has no names for us."""


def split_front_matter(text: str) -> tuple[dict[object, object], str]:
    r"""The properties of a note and its text.

    A block that YAML reads as anything but keys with values is text: the note begins with a thematic break. One that
    YAML cannot read is front matter if it has a line like ``key: value``.

    Args:
        text: with ``\n`` at the ends of lines.
    """
    block = _BLOCK.match(text)
    if not block:
        return {}, text
    try:
        properties = yaml.load(block["yaml"][:LARGEST], _LOADER)  # makes strings, lists and dicts only
    except (yaml.YAMLError, RecursionError, ValueError):
        properties = {} if _KEY.search(block["yaml"]) else block["yaml"]
    if isinstance(properties, dict):
        return properties, text[block.end() :]
    return {}, text if block["yaml"].strip() else text[block.end() :]


def aliases(properties: dict[object, object]) -> tuple[str, ...]:
    """The aliases: a list, or one string with commas, as older notes have it."""
    found: list[str] = []
    for key in ("aliases", "alias"):
        value = properties.get(key)
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        found += [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    return tuple(dict.fromkeys(found))
