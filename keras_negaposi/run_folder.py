"""What a run's folder holds, and when one may be written to."""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
from typing import Any

from checkpoints_tools import lock
from checkpoints_tools.errors import InputError
from checkpoints_tools.files import exists, join, list_folder, read_json, sweep
from keras_negaposi.packages import TENSORFLOWS, installed

PACKAGES = (*TENSORFLOWS, "tf-keras", "tf-models-official", "tensorflow-text", "sentencepiece", "scikit-learn", "numpy")
NOT_COMPARED = ("output_dir", "resume", "log_every_steps", "require_accuracy", "fail_on_warning")
"""Options that a resumed run may change: they do not touch what is learned."""


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
        sweep(self.checkpoints, r".*_temp.*|.*\.tempstate.*")

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
    return f"go on with: python -m keras_negaposi.train --resume --output_dir {shlex.quote(path)}"


def check_unused(path: str) -> None:
    """Refuses to mix a new run with what is there.

    Raises:
        InputError: the folder holds something.
    """
    names = [name for name in list_folder(path) if name != lock.NAME]
    if names:
        raise InputError(f"--output_dir {path}: not empty (holds {names[0]}); give a new folder, or --resume to go on")


def saved_config(path: str) -> dict[str, Any]:
    """The configuration saved with a run.

    Raises:
        InputError: the folder holds no run.
    """
    file = join(path, LAYOUT["config"])
    if not exists(file):
        raise InputError(f"{path}: not the folder of a run (it has no {LAYOUT['config']})")
    saved = read_json(file)
    if not isinstance(saved, dict) or not isinstance(saved.get("config"), dict):
        raise InputError(f"{file}: not the configuration of a run")
    return saved["config"]


def check_finished(path: str, named: str = "") -> None:
    """Refuses what is not the folder of a finished run.

    Args:
        path: the folder.
        named: what comes before it in the message: the option that names it.

    Raises:
        InputError: it is none.
    """
    if not exists(RunFolder(path).metrics):
        raise InputError(
            f"{named}{path}: not the folder of a finished run (it has no {LAYOUT['metrics']}); finish it with --resume"
        )


def check_same(saved: dict[str, Any], given: dict[str, Any], path: str) -> None:
    """Refuses to resume a run with other options than it began with.

    Raises:
        InputError: names the first option that differs.
    """
    for name, value in given.items():
        if name not in NOT_COMPARED and saved.get(name) != value:
            raise InputError(
                f"--{name} {value}: the run in {path} began with {saved.get(name)}; leave the flag out to resume it"
            )


def check_same_data(folder: RunFolder, fingerprint: str) -> None:
    """Refuses to resume a run on data or a tokenizer that have changed since it began.

    Raises:
        InputError: they have.
    """
    if read_json(folder.config).get("fingerprint") != fingerprint:
        raise InputError(f"{folder.path}: its data or tokenizer files have changed since it began; begin a new run")


def environment(command: str) -> dict[str, object]:
    """What a result depends on besides its configuration."""
    return {
        "command": command,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }
