"""Declares the options of a command as the fields of a frozen dataclass, and checks their values.

The command-line flags, their help, their checks and the ``config.json`` saved with a run all come from these fields.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.flag_values import Check, problem_of
from checkpoints_tools.common.paths import path_problem

ConfigT = TypeVar("ConfigT")


class Heading(NamedTuple):
    """A heading of a command's help; headings with a lower ``rank`` come first."""

    rank: int
    title: str


ADVANCED = Heading(100, "advanced options")


class Needs(NamedTuple):
    """Says when an option has an effect.

    Attributes:
        met: whether the option has an effect in a complete configuration.
        otherwise: what is wrong where it has none, for example "has no effect without --teacher".
    """

    met: Callable[[Any], object]
    otherwise: str


def option(
    default: object,
    text: str,
    *,
    kind: type = str,
    choices: Sequence[str] | None = None,
    words: Sequence[str] = (),
    check: Check | None = None,
    several: bool = False,
    old: str | None = None,
    heading: Heading = ADVANCED,
    needs: Needs | None = None,
) -> Any:  # noqa: ANN401
    """Returns a dataclass field that is also a command-line flag.

    Args:
        default: the value without the flag.
        text: the flag's help.
        kind: the value's type, where the default is ``None`` or a word.
        choices: the only strings allowed.
        words: strings allowed in place of a number.
        check: returns what is wrong with a value, or ``None``.
        several: whether the flag takes several values, which are read as a list.
        old: the flag's name in earlier versions, which still works.
        heading: where the flag stands in the help.
        needs: when the flag has an effect; always if ``None``.
    """
    metadata = {
        "help": text,
        "kind": kind,
        "choices": choices,
        "words": words,
        "check": check,
        "several": several,
        "old": old,
        "heading": heading,
        "needs": needs,
        "hidden": False,
    }
    return dataclasses.field(default=default, metadata=metadata)


def path_option(default: str | None, text: str, **more: Any) -> Any:  # noqa: ANN401
    """Returns an `option` that names a file or folder; ``more`` is passed on."""
    return option(default, text, **{"check": path_problem} | more)


def required_path(text: str, **more: Any) -> Any:  # noqa: ANN401
    """Returns a `path_option` that its command cannot do without.

    The default is ``None``, so that a missing flag differs from an empty one, but the field is annotated ``str``: every
    command rejects a configuration without it before it uses the value.
    """
    return path_option(None, text, **more)


def without_effect(config_class: type, name: str, otherwise: str) -> Any:  # noqa: ANN401
    """Returns an inherited option for a command in which it has no effect: absent from the help, rejected by name.

    Args:
        config_class: the base class that declares the option.
        name: of the option.
        otherwise: as in `Needs`.
    """
    never = Needs(lambda _: False, otherwise)
    return _changed(config_class, name, needs=never, hidden=True)


def with_needs(config_class: type, name: str, needs: Needs) -> Any:  # noqa: ANN401
    """Returns an inherited option for a command in which it has an effect only sometimes.

    Args:
        config_class: the base class that declares the option.
        name: of the option.
        needs: when it has an effect.
    """
    return _changed(config_class, name, needs=needs)


def _changed(config_class: type, name: str, **changes: object) -> Any:  # noqa: ANN401
    inherited = {field.name: field for field in dataclasses.fields(config_class)}[name]
    return dataclasses.field(default=inherited.default, metadata={**inherited.metadata, **changes})


def with_new_names(config_class: type, values: dict[str, Any]) -> dict[str, Any]:
    """Returns saved values under today's names of the options, some of which have been renamed since."""
    names = {field.metadata["old"]: field.name for field in dataclasses.fields(config_class) if field.metadata["old"]}
    return {names.get(name, name): value for name, value in values.items()}


def given_flags(config_class: type, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the fields of ``config_class`` that the user gave, with their values.

    Raises:
        InputError: a value is out of range; the message names its flag.
    """
    values = {}
    for field in dataclasses.fields(config_class):
        if field.name in arguments:
            values[field.name] = getattr(arguments, field.name)
            _check_field(field, values[field.name])
    return values


def make_config(config_class: type[ConfigT], values: dict[str, Any], given: Iterable[str] = ()) -> ConfigT:
    """Builds and checks a configuration; fields that ``values`` lacks keep their defaults.

    Args:
        config_class: made of `option` fields.
        values: by option.
        given: the options that the user gave, which must have an effect (`check_effects`).

    Raises:
        InputError: a value is unknown or out of range, or an option has no effect.
    """
    known = {field.name for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known)
    if unknown:
        raise InputError(f"unknown option in the configuration: {', '.join(map(quoted, unknown[:5]))}")
    config = config_class(**values)
    check_config(config)
    check_effects(config, given)
    return config


def check_config(config: Any) -> None:  # noqa: ANN401
    """Checks every field's type and value, then calls the configuration's own ``conflict``, if it has one.

    Raises:
        InputError: a value cannot be used; the message names its flag.
    """
    for field in dataclasses.fields(config):
        _check_field(field, getattr(config, field.name))
    conflict = config.conflict() if hasattr(config, "conflict") else None
    if conflict:
        raise InputError(conflict)


def check_effects(config: Any, given: Iterable[str]) -> None:  # noqa: ANN401
    """Rejects options that have no effect in combination with the others.

    This is the one rule for all commands: a flag that would be ignored is an error, since its user expects something
    that will not happen. A flag with its default value expects nothing, so it is always accepted.

    Args:
        config: complete.
        given: the options that the user gave; defaults and values from elsewhere are not checked.

    Raises:
        InputError: an option has no effect; the message names its flag.
    """
    names = set(given)
    for field in dataclasses.fields(config):
        needs: Needs | None = field.metadata["needs"]
        if needs and field.name in names and getattr(config, field.name) != field.default and not needs.met(config):
            raise InputError(f"--{field.name}: {needs.otherwise}; leave it out")


def kind_of(field: dataclasses.Field) -> type:
    """Returns the type of a flag's value, or of each value where it has several."""
    tells_nothing = field.default is None or field.default in field.metadata["words"]
    return field.metadata["kind"] if tells_nothing else type(field.default)


def _check_field(field: dataclasses.Field, value: object) -> None:
    if value is None and field.default is None:
        return
    about = field.metadata
    for item in value if about["several"] and isinstance(value, (list, tuple)) else [value]:
        problem = problem_of(item, kind_of(field), about["choices"], about["check"], about["words"])
        if problem:
            raise InputError(f"--{field.name} {quoted(item)}: {problem}")
