"""Front matter: the YAML between two lines of three dashes at the beginning of a note.

It is never text, but contains the note's aliases. PyYAML parses it. This module finds its limits, since neither
python-frontmatter nor ``mdit_py_plugins.front_matter`` does so as note editors do: the former accepts no ``...`` at the
end and fails on invalid YAML, and the latter also drops text between two thematic breaks.
"""

from __future__ import annotations

import re

import yaml

_BLOCK = re.compile(r"---[ \t]*\n(?P<yaml>(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_KEY = re.compile(r"^[^\s#:][^:\n]*:", re.MULTILINE)
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # reads every scalar as a string, so that no date is invalid
LARGEST = 64 << 10
"""Characters that are parsed. Aliases after them are ignored."""


def split_front_matter(text: str) -> tuple[dict[object, object], str]:
    r"""Splits a note into its properties and its text.

    A block of valid YAML that is not a mapping is text: the note begins with a thematic break. A block of invalid YAML
    is front matter if it contains a line like ``key: value``.

    Args:
        text: the note, whose lines end with ``\n``.

    Returns:
        The properties, and the text without the front matter.
    """
    block = _BLOCK.match(text)
    if not block:
        return {}, text
    try:
        properties = yaml.load(block["yaml"][:LARGEST], _LOADER)  # creates only strings, lists and dicts
    except (yaml.YAMLError, RecursionError, ValueError):
        properties = {} if _KEY.search(block["yaml"]) else block["yaml"]
    if isinstance(properties, dict):
        return properties, text[block.end() :]
    return {}, text if block["yaml"].strip() else text[block.end() :]


def aliases(properties: dict[object, object]) -> tuple[str, ...]:
    """Returns the aliases, which are a list, or one string with commas in older notes."""
    found: list[str] = []
    for key in ("aliases", "alias"):
        value = properties.get(key)
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
        found += [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    return tuple(dict.fromkeys(found))
