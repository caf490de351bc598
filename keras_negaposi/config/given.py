"""What the user gave a command: flags, and the options in the file that ``--config`` names, which flags override."""

from __future__ import annotations

import argparse
import dataclasses
import os
from typing import Any

from checkpoints_tools.common.cli import a_path, add_flags, given_flags
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config.data import DataConfig
from keras_negaposi.config.pair_source import COLUMNS, JSON_FILES, TABLE

RUN_KEY = "config"
"""Key of the options in a run's ``config.json``."""
NOT_TAKEN = ("output_dir", "resume")
"""Options of a run that a new one does not take from it."""


def add_options(parser: argparse.ArgumentParser, config_class: type) -> None:
    """Adds ``--config`` and a flag for every field of ``config_class``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=a_path,
        default=argparse.SUPPRESS,
        help="file of flags without their dashes (.json, .yaml or .toml), or for train, prepare and baseline the "
        "config.json of a run; flags override it",
    )
    add_flags(parser, config_class)


def given_options(config_class: type, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the options that the user gave, as flags or in the file of ``--config``, with their values.

    Raises:
        InputError: a value cannot be used; the message names the flag, and the file where it is in one.
    """
    flags = given_flags(config_class, arguments)
    path = getattr(arguments, "config", None)
    if path is None:
        return flags
    from keras_negaposi.config.option_file import JSON, options_in, read_file

    content = read_file(path)
    if path.lower().endswith(JSON) and isinstance(content.get(RUN_KEY), dict):
        return _of_run(content[RUN_KEY], path, config_class, flags) | flags
    return options_in(content, path, config_class) | flags


def _of_run(saved: dict[str, Any], path: str, config_class: type, flags: dict[str, Any]) -> dict[str, Any]:
    """Returns the options of a run that the command has too, and that have an effect in it.

    A run's file holds every option, also those that nobody gave. So one without effect is no mistake of the user, and
    one with its default value is not given where a flag asks for a recipe, which may then choose it.

    Raises:
        InputError: the command does not train on the same data, or the options cannot be used.
    """
    if not issubclass(config_class, DataConfig):
        raise InputError(f"{path}: has the options of a run, which only train, prepare and baseline take")
    from keras_negaposi.config.option_file import options_in
    from keras_negaposi.config.saved import checked_config, found_again

    run = dataclasses.asdict(found_again(checked_config(saved, path), os.path.dirname(path) or "."))
    names = run.keys() - flags.keys() - {*NOT_TAKEN, *_other_source(run, flags)}
    fields = {field.name: field for field in dataclasses.fields(config_class) if field.name in names}
    if "recipe" in flags:
        fields = {name: field for name, field in fields.items() if run[name] != field.default}
    values = options_in({name: run[name] for name in fields}, path, config_class)
    config = config_class(**values | flags)
    needs = {name: fields[name].metadata["needs"] for name in values}
    return {name: value for name, value in values.items() if not needs[name] or needs[name].met(config)}


def _other_source(run: dict[str, Any], flags: dict[str, Any]) -> tuple[str, ...]:
    """Returns the options of the run that name its pairs in another way than the flags, or in a second way."""
    if TABLE in flags:
        return JSON_FILES
    return (TABLE, COLUMNS) if run["honbun"] or flags.keys() & {*JSON_FILES} else ()
