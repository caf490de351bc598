"""What a run has saved: reads its ``config.json``, and checks that a folder is a finished run."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from typing import Annotated, Any

from msgspec import Meta

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, join, list_folder, read_digest
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import BOTH, TrainConfig
from keras_negaposi.config.pair_source import TABLE
from keras_negaposi.config.saved import CONFIG_FILE, FIX, checked_config, found_again
from keras_negaposi.config.tokenizer_files import read_options
from keras_negaposi.runtime.packages import TENSORFLOWS, installed
from keras_negaposi.runtime.run_folder import RunFolder

PACKAGES = (*TENSORFLOWS, "tf-keras", "tf-models-official", "tensorflow-text", "sentencepiece", "scikit-learn", "numpy")
FINGERPRINTED_FILES = ("honbun", "negaposi", "model_file", "vocab_file", "tokenizer_config_file")
"""Options that name files whose content must not change between the start of a run and its evaluation."""
HASHED = (*FINGERPRINTED_FILES, TABLE)
"""Options that name files whose content must not change between the start of a run and its end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """The content of ``config.json``. A folder of several runs has only `config`."""

    config: dict[str, Any]
    total_steps: Annotated[int, Meta(ge=0)] | None = None
    fingerprint: str | None = None
    init_checkpoint_fingerprint: str | None = None
    inputs: dict[str, str] | None = None
    """SHA-256 of the `HASHED` files by option. Older versions did not write it."""


def read_saved(path: str) -> Saved:
    """Reads a run's ``config.json``. Its options are not checked yet.

    Raises:
        InputError: the folder is not a run, or the file is damaged.
    """
    file = RunFolder(path).config
    if not exists(file):
        raise InputError(f"{path}: not the folder of a run (it has no {CONFIG_FILE})")
    return read_as(Saved, file, FIX)


def saved_options(path: str) -> TrainConfig:
    """Returns the options of a run, with its files where they are now (`config.saved.found_again`).

    Raises:
        InputError: the folder is not a run, or its ``config.json`` is damaged or from a newer version.
    """
    saved = read_saved(path)
    return found_again(checked_config(saved.config, RunFolder(path).config), path)


def saved_config(path: str) -> dict[str, Any]:
    """Returns `saved_options` as a dict.

    Raises:
        InputError: as `saved_options`.
    """
    return dataclasses.asdict(saved_options(path))


def check_single(config: TrainConfig, named: str = "") -> None:
    """Rejects a folder of several runs where one run is required.

    Args:
        config: the result of `saved_options`.
        named: text that the message begins with, as in `check_finished`.

    Raises:
        InputError: the folder contains several runs; names one of them.
    """
    path = str(config.output_dir)
    if config.split == BOTH or config.seeds > 1:
        names = [name for name in list_folder(path) if exists(RunFolder(join(path, name)).config)]
        one = join(path, names[0] if names else "NAME")
        raise InputError(f"{named}{path}: the folder of several runs; give one of them, for example {one}")


def check_finished(path: str, named: str = "") -> None:
    """Checks that a folder is a finished run.

    Args:
        path: the folder.
        named: text that the message begins with, such as the option that names the folder.

    Raises:
        InputError: it is not.
    """
    folder = RunFolder(path)
    if not exists(folder.metrics):
        if exists(folder.config):
            check_single(saved_options(path), named)
        missing = os.path.basename(folder.metrics)
        raise InputError(
            f"{named}{path}: not the folder of a finished run (it has no {missing}); finish it with --resume"
        )


def digests(config: TrainConfig) -> dict[str, str]:
    """Returns the SHA-256 of the `HASHED` files by option."""
    paths = {name: getattr(config, name) for name in HASHED}
    return {name: digest_of(name, path) for name, path in paths.items() if path}


def digest_of(name: str, path: str) -> str:
    """Returns the SHA-256 of the file that an option names; of a tokenizer's configuration, only of what matters."""
    return read_options(path).digest() if name == "tokenizer_config_file" else read_digest(path).hex()


def environment(command: str) -> dict[str, object]:
    """Returns what a result depends on in addition to the options: command, start, Python, machine and packages."""
    return {
        "started": time.strftime("%Y-%m-%d %H:%M"),
        "command": command,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }
