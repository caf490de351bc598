"""Reads the options in a file that ``--config`` names: JSON, YAML or TOML with the names and values of flags."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import tomllib
from typing import Any

from checkpoints_tools.common.errors import InputError, did_you_mean, quoted
from checkpoints_tools.common.files import read_text
from checkpoints_tools.common.flag_values import parser_of
from checkpoints_tools.common.json_text import key_twice, parse_json, too_deep
from checkpoints_tools.common.options import given_flags, kind_of

JSON, YAML, TOML = ".json", (".yaml", ".yml"), ".toml"
SUFFIXES = (JSON, *YAML, TOML)
LARGEST = 64 << 10
"""Most characters of a file; the longest ``config.json`` of a run has a tenth of them."""


def read_file(path: str) -> dict[str, Any]:
    """Reads a file by its suffix. Values of YAML are texts, as on the command line; its ``null`` is ``None``.

    Raises:
        InputError: the file cannot be read, or does not hold names with values.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise InputError(f"--config {quoted(path)}: its format is not known; give a file named {', '.join(SUFFIXES)}")
    text = read_text(path)
    if len(text) > LARGEST:
        raise InputError(f"{path}: has more than {LARGEST:,} characters; is this the file that you meant?")
    parse = parse_json if suffix == JSON else _of_toml if suffix == TOML else _of_yaml
    content = parse(text, path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold names of flags with their values; write for example seed and a number")
    return content


def options_in(content: dict[str, Any], path: str, config_class: type) -> dict[str, Any]:
    """Returns the options in the content of a file, checked like flags; what is null counts as not given.

    Args:
        content: of `read_file`.
        path: of the file, for messages.
        config_class: the command's configuration.

    Raises:
        InputError: an option is unknown, is given twice or has a value that it cannot have; names the file and it.
    """
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    values: dict[str, Any] = {}
    for key, value in content.items():
        name = _todays_name(key, path, fields)
        if name in values:
            raise InputError(f"{path}: {name} is given twice; keep one of the two")
        values[name] = value
    for key in content:
        if (name := _todays_name(key, path, fields)) != key.replace("-", "_"):
            sys.stderr.write(f"{path}: {key} is now called {name}\n")
    try:
        read = {name: _value(fields[name], value, path.lower().endswith(YAML)) for name, value in values.items()}
        return given_flags(config_class, argparse.Namespace(**{n: v for n, v in read.items() if v is not None}))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _todays_name(key: str, path: str, fields: dict[str, dataclasses.Field]) -> str:
    """Returns the name of the option that a key names, which may have hyphens or be an old spelling."""
    name = key.replace("-", "_")
    if name in fields:
        return name
    for field in fields.values():
        if name == field.metadata["old"]:
            return field.name
    raise InputError(f"{path}: unknown option {quoted(key)}{did_you_mean(name, fields)}")


def _value(field: dataclasses.Field, value: Any, is_text: bool) -> Any:  # noqa: ANN401
    """Returns a value as the flag would give it; one value may stand for a list of one."""
    if value is None:
        return None
    if field.metadata["several"]:
        return [_one(field, item, is_text) for item in (value if isinstance(value, list) else [value])]
    return _one(field, value, is_text)


def _one(field: dataclasses.Field, value: Any, is_text: bool) -> Any:  # noqa: ANN401
    kind, about = kind_of(field), field.metadata
    if is_text and isinstance(value, str):
        try:
            return parser_of(kind, about["choices"], words=about["words"])(value)
        except argparse.ArgumentTypeError as error:
            raise InputError(f"--{field.name}: {error}") from None
    return float(value) if kind is float and type(value) is int else value


def _of_toml(text: str, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise too_deep(path) from None
    except ValueError as error:  # also a number that is too long
        raise InputError(f"{path}: not TOML: {error}") from None


def _of_yaml(text: str, path: str) -> dict[str, Any] | None:
    """Returns the names and texts of a YAML mapping; ``None`` if it is something else.

    The nodes are used as they are written, since PyYAML takes ``2e-4`` for a text, ``no`` for a boolean and
    ``2024-01-01`` for a date, and silently keeps the last value of a repeated key.
    """
    import yaml

    try:
        root = yaml.compose(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except RecursionError:
        raise too_deep(path) from None
    except (yaml.YAMLError, ValueError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}: not YAML{where}: {problem or error}") from None

    def scalar(node: yaml.Node) -> object:
        if not isinstance(node, yaml.ScalarNode):
            return {}  # no flag has such a value
        return None if not node.style and node.value in ("", "~", "null") else node.value

    if root is None:  # nothing but comments
        return {}
    if not isinstance(root, yaml.MappingNode):
        return None
    values: dict[str, Any] = {}
    for key, value in root.value:
        if not isinstance(key, yaml.ScalarNode):
            return None
        if key.value in values:
            raise key_twice(path, key.value)
        values[key.value] = [*map(scalar, value.value)] if isinstance(value, yaml.SequenceNode) else scalar(value)
    return values
