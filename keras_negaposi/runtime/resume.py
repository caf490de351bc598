"""Checks before a run is started in a folder or resumed from it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Any

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, list_folder
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.pair_source import TABLE
from keras_negaposi.config.saved import absolute, check_found
from keras_negaposi.runtime import folder_lock
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import FINGERPRINTED_FILES, HASHED, digest_of, read_saved

NOT_COMPARED = ("output_dir", "resume", "log_every_steps", "require_accuracy", "fail_on_warning")
"""Options that may change when a run is resumed, because they do not affect what is learned."""
MOVABLE = (*HASHED, "init_checkpoint", "embedding_cache")
"""Options that may change when a run is resumed, because the content of the files is compared instead."""


def how_to_resume(path: str) -> str:
    """Returns a part of a sentence that tells how to resume a run."""
    return f"continue with: python -m keras_negaposi.train --resume --output_dir {shlex.quote(path)}"


def check_unused(path: str) -> None:
    """Checks that a folder is empty, so that a new run does not mix with other files.

    Raises:
        InputError: it is not empty; names one of its files.
    """
    names = [name for name in list_folder(path) if not folder_lock.is_leftover(name)]
    if names:
        raise InputError(
            f"--output_dir {path}: not empty (holds {quoted(names[0])}); give a new folder, or --resume to continue"
        )


def check_same_options(saved: dict[str, Any], given: dict[str, Any], path: str) -> None:
    """Checks that a run is resumed with the options that it was started with.

    Raises:
        InputError: names the first option that differs.
    """
    # The content of a table can be compared only if the run was started with one.
    free = {*NOT_COMPARED, *MOVABLE} - ({TABLE} if saved.get(TABLE) is None else set())
    for name, value in absolute(given).items():
        if name not in free and saved.get(name) != value:
            raise InputError(
                f"--{name} {quoted(value)}: the run in {path} was started with {quoted(saved.get(name))}; omit the "
                "flag to resume it"
            )


def check_same_data(folder: RunFolder, fingerprint: str) -> None:
    """Checks that a run is resumed on the data and with the tokenizer that it was started with.

    Raises:
        InputError: they have changed.
    """
    if read_saved(folder.path).fingerprint != fingerprint:
        raise InputError(
            f"{folder.path}: the data or tokenizer files have changed since the run was started; start a new run"
        )


def check_same_files(folder: RunFolder, config: TrainConfig) -> None:
    """Checks that a run's input files exist, and have not changed where their hashes were saved.

    Raises:
        InputError: names the file.
    """
    check_found(config, folder.path)
    _check_same(folder, config, FINGERPRINTED_FILES if config.honbun else HASHED)


def check_same_table(folder: RunFolder, config: TrainConfig, is_given: bool) -> None:
    """Checks that the table of a run has not changed. It may be gone: the run has its content as JSON.

    Args:
        folder: of the run.
        config: its options.
        is_given: whether the user named the table again, which then must exist.

    Raises:
        InputError: the table has changed.
    """
    if config.pairs and (is_given or exists(config.pairs)):
        _check_same(folder, config, (TABLE,))


def _check_same(folder: RunFolder, config: TrainConfig, names: Iterable[str]) -> None:
    digests = read_saved(folder.path).inputs or {}
    for name in names:
        file = getattr(config, name)
        if name in digests and file and digest_of(name, file) != digests[name]:
            raise InputError(
                f"{file}: has changed since the run in {folder.path} was started (--{name}); restore the old file, or "
                "start a new run; nothing was changed"
            )
