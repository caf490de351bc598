"""Folders for the results of additional evaluations.

A file in the folder says which evaluation its results belong to, so that no other results are overwritten.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, list_folder, write_json
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import PairSource
from keras_negaposi.config.saved import absolute
from keras_negaposi.runtime.folder_lock import is_leftover
from keras_negaposi.runtime.run_folder import RunFolder

ABOUT = "evaluation.json"
LONGEST_STEM = 60
"""Characters of the pair file's name that the folder's name contains."""


@dataclasses.dataclass(frozen=True)
class About:
    """What identifies an evaluation, with absolute paths: the content of ``evaluation.json``.

    Attributes:
        run: the run's folder.
        honbun: the texts of the pair file; ``None`` for a table and for the run's own test pairs.
        negaposi: the pair file; ``None`` for a table and for the run's own test pairs.
        precision: the precision of the model.
        pairs: the table; ``None`` for a pair file and for the run's own test pairs.
        columns: the names of its columns, if they were given.
    """

    run: str
    honbun: str | None
    negaposi: str | None
    precision: str
    pairs: str | None = None
    columns: str | None = None

    @classmethod
    def of(cls, run: str, source: PairSource, precision: str) -> About:
        """Makes the paths absolute."""
        names = [field.name for field in dataclasses.fields(PairSource)]
        paths = absolute({"output_dir": run} | {name: getattr(source, name) for name in names})
        return cls(paths.pop("output_dir"), **paths, precision=precision)

    @property
    def stem(self) -> str:
        """A name for the folder of the results."""
        file = self.negaposi or self.pairs
        return os.path.splitext(os.path.basename(file))[0][:LONGEST_STEM] if file else self.precision

    @property
    def digest(self) -> str:
        """A short hash of everything but the run."""
        table = [self.pairs, self.columns] if self.pairs else []
        about = json.dumps([self.honbun, self.negaposi, self.precision, *table])
        return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def default_folder(about: About) -> str:
    """Returns ``evaluation_STEM`` in the run's folder, with a hash appended if that contains other results."""
    folder = join(about.run, f"evaluation_{about.stem}")
    return folder if is_free(folder, about) else f"{folder}_{about.digest}"


def is_free(folder: str, about: About) -> bool:
    """Returns whether the folder is empty or contains older results of the same evaluation."""
    return not _names(folder) or (exists(join(folder, ABOUT)) and _about(folder) == about)


def check_free(folder: str, about: About) -> None:
    """Checks that the folder `is_free`, so that nothing in it is overwritten.

    Raises:
        InputError: it is the folder of a run, or contains results of another evaluation or other files.
    """
    _refuse_run(folder)
    if is_free(folder, about):
        return
    if not exists(join(folder, ABOUT)):
        raise InputError(f"--output_dir {folder}: not empty (contains {quoted(_names(folder)[0])}); use a new folder")
    saved = _about(folder)
    raise InputError(
        f"--output_dir {folder}: contains the results of {quoted(saved.run)} ({saved.precision}) on "
        f"{quoted(saved.negaposi or saved.pairs or 'the test pairs')}; use a new folder"
    )


def claim(folder: str, about: About) -> None:
    """Writes which evaluation the folder is for, before its results."""
    write_json(join(folder, ABOUT), dataclasses.asdict(about))


def check_only(folder: str, own: Sequence[str]) -> None:
    """Checks that the folder is not a run's and contains no files but ``own``.

    Raises:
        InputError: it contains another file, which the message names.
    """
    _refuse_run(folder)
    others = [name for name in _names(folder) if name not in own]
    if others:
        raise InputError(f"--output_dir {folder}: not empty (contains {quoted(others[0])}); use a new folder")


def _refuse_run(folder: str) -> None:
    """Raises an error if the folder is a run's, whose own results would be overwritten."""
    if exists(RunFolder(folder).config):
        raise InputError(f"--output_dir {folder}: is the folder of a run; use a new folder to keep its results")


def _names(folder: str) -> list[str]:
    """Returns the names in the folder, without the lock and what a killed process left."""
    return [name for name in list_folder(folder) if not is_leftover(name)]


def _about(folder: str) -> About:
    """Reads which evaluation the folder is for."""
    return read_as(About, join(folder, ABOUT), "remove the folder if you do not need its results, or use a new one")
