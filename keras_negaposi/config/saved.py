"""Checks the configuration in a run's ``config.json``, and locates the run's files from any working directory."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from checkpoints_tools.common.cli import check_config, with_new_names
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, is_remote, join
from checkpoints_tools.common.paths import path_problem
from checkpoints_tools.common.schema import checked
from keras_negaposi.config.data import ALL
from keras_negaposi.config.dev_evaluation import LAST
from keras_negaposi.config.model import REQUIRED, tokenizer_options
from keras_negaposi.config.pair_source import JSON_FILES, TABLE
from keras_negaposi.config.tokenizer_files import KINDS, SENTENCEPIECE, TOKENIZER_CONFIG, options_of
from keras_negaposi.config.training import TrainConfig

INPUTS = (
    *(*JSON_FILES, "init_checkpoint", "bert_config_file", "model_file", "vocab_file"),
    "tokenizer_config_file",
)
"""Options that name the files a run reads. The files may move, but their content must not change."""
CONFIG_FILE = "config.json"
"""Name of the file in a run's folder."""
PATHS = (*INPUTS, TABLE, "records", "teacher", "ensemble", "embedding_cache", "output_dir")
NEVER_NULL = (*JSON_FILES, *REQUIRED, "output_dir")
"""Options annotated ``str``: where a saved configuration holds null the default stays, and `check_found` names them."""
COPIES = {"bert_config_file": "bert_config.json", "tokenizer_config_file": TOKENIZER_CONFIG}
"""Files of which the run's folder has a copy, by option; `tokenizer_files.KINDS` names those of a tokenizer."""
CONVERTED = {"honbun": "honbun_data.json", "negaposi": "negaposi.json"}
"""Files in the folder of a run on a table, by option: the table as JSON."""
BEFORE = {
    **{"dev_share": 0.0, "eval_steps": 0, "keep_best": LAST, "embedded_pairs": ALL},
    **{"tokenizer": SENTENCEPIECE, "do_lower_case": True, "reference_pages": 0},
}
"""What the runs of versions without an option did, where its default does something else today."""
FIX = "restore the file from a copy, or train again"


def absolute(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the options with absolute local paths, which name the same files from any working directory.

    Values that cannot be paths stay as they are.
    """
    paths = {name: value for name, value in values.items() if name in PATHS and value and isinstance(value, str)}
    local = {name: path for name, path in paths.items() if not (path_problem(path) or is_remote(path))}
    return values | {name: os.path.abspath(path) for name, path in local.items()}


def checked_config(values: object, place: str) -> TrainConfig:
    """Returns a saved configuration; options that an older version lacked have their defaults, or those of `BEFORE`.

    Raises:
        InputError: an option is unknown, has a wrong type or is out of range; names ``place`` and it.
    """
    if isinstance(values, dict):
        values = BEFORE | with_new_names(TrainConfig, values)
        unknown = sorted(values.keys() - {field.name for field in dataclasses.fields(TrainConfig)})
        if unknown:
            raise InputError(f"{place}: unknown option {quoted(unknown[0])}; use the version that trained the run")
        values = {name: value for name, value in values.items() if value is not None or name not in NEVER_NULL}
    config = checked(TrainConfig, values, f"{place}: config", FIX)
    for field in dataclasses.fields(TrainConfig):
        value, choices = getattr(config, field.name), field.metadata["choices"]
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if choices and text not in choices:
                raise InputError(f"{place}: {field.name} is {quoted(text)}, not one of {', '.join(choices)}; {FIX}")
            if isinstance(text, str) and ("\0" in text or not _is_unicode(text)):
                raise InputError(f"{place}: {field.name} is {quoted(ascii(text))}, which is not valid text; {FIX}")
    try:
        check_config(config)
    except InputError as error:
        raise InputError(f"{place}: {error}; {FIX}") from None
    return config


def found_again(config: TrainConfig, folder: str) -> TrainConfig:
    """Returns the configuration of the run in ``folder`` with the current paths of its files.

    Paths of files that are not found stay as they were saved. A run on a table names the JSON files that were made from
    it, where they exist, so that it does not need the table any more.
    """
    values = dataclasses.asdict(config)
    values["tokenizer"] = options_of(config)["tokenizer"]
    places: dict[str, Any] = {name: _place(name, values, folder) for name in PATHS[:-1] if values[name]}
    cache = places.get("embedding_cache")
    if cache and not is_remote(cache) and not exists(os.path.dirname(cache)):
        places["embedding_cache"] = None  # the default, in the run's folder
    if config.pairs:
        converted = {name: join(folder, file) for name, file in CONVERTED.items()}
        places |= converted if all(map(exists, converted.values())) else dict.fromkeys(converted)
    return dataclasses.replace(config, **places, output_dir=folder)


def as_saved(config: TrainConfig) -> dict[str, Any]:
    """Returns the options as ``config.json`` holds them: see `found_again` for the JSON files of a run on a table."""
    converted = dict.fromkeys(CONVERTED) if config.pairs else {}
    return absolute(dataclasses.asdict(config)) | converted | {"resume": False}


def check_found(config: TrainConfig, folder: str) -> None:
    """Rejects a run whose input files are gone or were not saved.

    Raises:
        InputError: the message names the file and the flag to give.
    """
    needs_table = config.pairs and not config.honbun
    data = (TABLE,) if needs_table else JSON_FILES
    required = (*data, *REQUIRED, *tokenizer_options(options_of(config)["tokenizer"]))
    for name in (TABLE, *INPUTS) if needs_table else INPUTS:
        value = getattr(config, name)
        if not value and name in required:
            raise InputError(f"{join(folder, CONFIG_FILE)}: {name} is missing; {FIX}")
        if value and not is_remote(value) and not _is_there(value):
            raise InputError(
                f"{value}: no such file any more, but the run in {folder} was trained with it; put it back, or give "
                f"its new place: python -m keras_negaposi.train --resume --output_dir {folder} --{name} PATH"
            )


def _place(name: str, values: dict[str, Any], folder: str) -> str:
    path = values[name]
    if is_remote(path):
        return path
    candidates = _candidates(name, path, values["output_dir"], folder, values["tokenizer"])
    return next(filter(_is_there, candidates), os.path.abspath(path))


def _candidates(name: str, path: str, began_in: str | None, folder: str, kind: str) -> Iterator[str]:
    """Yields the possible paths of a file: as saved, relative to the run's folder as before, and the copy there."""
    yield os.path.abspath(path)
    if is_remote(folder):
        return
    here = os.path.abspath(folder)
    if not os.path.isabs(path):  # saved by an older version, as it was given
        while True:
            yield join(here, path)
            here, before = os.path.dirname(here), here
            if here == before:
                break
    elif began_in and os.path.isabs(began_in):  # the run was moved together with its files
        yield os.path.normpath(join(folder, os.path.relpath(path, began_in)))
    if copy := (COPIES | dict(KINDS[kind].files)).get(name):
        yield join(os.path.abspath(folder), copy)


def _is_there(path: str) -> bool:
    """Returns whether there is a file or folder of this name, or a checkpoint with this prefix."""
    return exists(path) or exists(f"{path}.index")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
