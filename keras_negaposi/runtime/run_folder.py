"""What a run's folder holds, and when one may be written to."""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
from typing import Annotated, Any

from msgspec import Meta

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, list_folder, read_digest, sweep
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import BOTH, TrainConfig
from keras_negaposi.config.saved import FIX, absolute, check_found, checked_config, found_again
from keras_negaposi.runtime import folder_lock
from keras_negaposi.runtime.packages import TENSORFLOWS, installed

PACKAGES = (*TENSORFLOWS, "tf-keras", "tf-models-official", "tensorflow-text", "sentencepiece", "scikit-learn", "numpy")
NOT_COMPARED = ("output_dir", "resume", "log_every_steps", "require_accuracy", "fail_on_warning")
"""Options that a resumed run may change: they do not touch what is learned."""
FINGERPRINTED_FILES = ("honbun", "negaposi", "model_file", "vocab_file")
"""Options that name the files whose content must stay what it was when the run began."""
MOVABLE = (*FINGERPRINTED_FILES, "init_checkpoint", "embedding_cache")
"""Options that a resumed run may change, since what they name is compared."""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Paths within a run's folder."""

    path: str

    def __getattr__(self, name: str) -> str:
        """A path by the name of what it holds."""
        if name in LAYOUT:
            return join(self.path, LAYOUT[name])
        raise AttributeError(f"a run holds no {name!r}")

    def sweep(self) -> None:
        """Removes checkpoints that a killed process left half-written."""
        sweep(self.checkpoints, r"ckpt-\d+_temp.*|ckpt-\d+\..*\.tempstate.*|checkpoint\.tmp[0-9a-f]+")

    def scores(self, part: str) -> str:
        """Per-pair scores of a part."""
        return join(self.path, f"scores_{part}.tsv")


LAYOUT = {
    "config": "config.json",
    "eval_results": "eval_results.txt",
    "metrics": "metrics.json",
    "classification_report": "classification_report.txt",
    "report": "report.html",
    "history": "history.json",
    "records": "records",
    "checkpoints": "checkpoints",
    "tensorboard": "tensorboard",
    "saved_model": "saved_model",
    "weights": "saved_model/variables/variables.data-00000-of-00001",
    "split": "split.json",
    "int8": "int8",
    "calibration": "calibration.json",
    "teacher": "teacher.txt",
    "bert_config": "bert_config.json",
    "sentencepiece_model": "tokenizer.model",
    "vocabulary": "tokenizer.vocab",
}


def go_on(path: str) -> str:
    """How to resume a run, as a part of a sentence."""
    return f"continue with: python -m keras_negaposi.train --resume --output_dir {shlex.quote(path)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Saved:
    """The content of ``config.json``: of a run, or (`config` alone) of a folder of several."""

    config: dict[str, Any]
    total_steps: Annotated[int, Meta(ge=0)] | None = None
    fingerprint: str | None = None
    init_checkpoint_fingerprint: str | None = None
    inputs: dict[str, str] | None = None
    """SHA-256 of the `FINGERPRINTED_FILES` by option; older versions did not write it."""


def check_unused(path: str) -> None:
    """Refuses to mix a new run with what is there.

    Raises:
        InputError: the folder holds something.
    """
    names = [name for name in list_folder(path) if not folder_lock.is_leftover(name)]
    if names:
        raise InputError(
            f"--output_dir {path}: not empty (holds {quoted(names[0])}); give a new folder, or --resume to continue"
        )


def read_saved(path: str) -> Saved:
    """The run's ``config.json``, its options not checked yet.

    Raises:
        InputError: the folder holds no run, or the file is damaged.
    """
    file = join(path, LAYOUT["config"])
    if not exists(file):
        raise InputError(f"{path}: not the folder of a run (it has no {LAYOUT['config']})")
    return read_as(Saved, file, FIX)


def saved_options(path: str) -> TrainConfig:
    """The configuration saved with a run, its files where they are now (`config.saved.found_again`).

    Raises:
        InputError: the folder holds no run, or its ``config.json`` is damaged or a newer version's.
    """
    saved = read_saved(path)
    return found_again(checked_config(saved.config, join(path, LAYOUT["config"])), path)


def saved_config(path: str) -> dict[str, Any]:
    """`saved_options` as a dict.

    Raises:
        InputError: as `saved_options`.
    """
    return dataclasses.asdict(saved_options(path))


def check_single(config: TrainConfig, named: str = "") -> None:
    """Refuses the folder of several runs where one is wanted.

    Args:
        config: of `saved_options`.
        named: as in `check_finished`.

    Raises:
        InputError: names one of them.
    """
    path = str(config.output_dir)
    if config.split == BOTH or config.seeds > 1:
        names = [name for name in list_folder(path) if exists(join(path, name, LAYOUT["config"]))]
        one = join(path, names[0] if names else "NAME")
        raise InputError(f"{named}{path}: the folder of several runs; give one of them, for example {one}")


def check_finished(path: str, named: str = "") -> None:
    """Refuses what is not the folder of a finished run.

    Args:
        path: the folder.
        named: what comes before it in the message: the option that names it.

    Raises:
        InputError: it is none.
    """
    if not exists(RunFolder(path).metrics):
        if exists(RunFolder(path).config):
            check_single(saved_options(path), named)
        raise InputError(
            f"{named}{path}: not the folder of a finished run (it has no {LAYOUT['metrics']}); finish it with --resume"
        )


def check_same(saved: dict[str, Any], given: dict[str, Any], path: str) -> None:
    """Refuses to resume a run with other options than it began with.

    Raises:
        InputError: names the first option that differs.
    """
    for name, value in absolute(given).items():
        if name not in (*NOT_COMPARED, *MOVABLE) and saved.get(name) != value:
            raise InputError(
                f"--{name} {quoted(value)}: the run in {path} began with {quoted(saved.get(name))}; leave the flag out "
                "to resume it"
            )


def check_same_data(folder: RunFolder, fingerprint: str) -> None:
    """Refuses to resume a run on data or a tokenizer that have changed since it began.

    Raises:
        InputError: they have.
    """
    if read_saved(folder.path).fingerprint != fingerprint:
        raise InputError(f"{folder.path}: its data or tokenizer files have changed since it began; begin a new run")


def check_same_files(folder: RunFolder, config: TrainConfig) -> None:
    """Refuses a run whose input files are gone, or have changed since it began, where their hashes were saved.

    Raises:
        InputError: names the file.
    """
    check_found(config, folder.path)
    digests = read_saved(folder.path).inputs or {}
    for name in FINGERPRINTED_FILES:
        file = getattr(config, name)
        if name in digests and file and read_digest(file).hex() != digests[name]:
            raise InputError(
                f"{file}: has changed since the run in {folder.path} began (--{name}); put the old file back, or begin "
                "a new run; nothing was changed"
            )


def digests(config: TrainConfig) -> dict[str, str]:
    """SHA-256 of the `FINGERPRINTED_FILES` by option."""
    return {name: read_digest(getattr(config, name)).hex() for name in FINGERPRINTED_FILES}


def environment(command: str) -> dict[str, object]:
    """What a result depends on besides its configuration."""
    return {
        "command": command,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }
