"""The folder of another call's figures, and what says whose they are: nothing of somebody else is replaced."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, list_folder, write_json
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config.saved import absolute
from keras_negaposi.runtime.folder_lock import is_leftover
from keras_negaposi.runtime.run_folder import RunFolder

ABOUT = "evaluation.json"
LONGEST_STEM = 60
"""Characters of a file's name that its folder's name takes."""


@dataclasses.dataclass(frozen=True)
class About:
    """What was scored with what: absolute paths. Written before the figures.

    Attributes:
        run: the run's folder.
        honbun: of the pair file; ``None`` for the run's own test pairs.
        negaposi: the pair file.
        precision: of the model.
    """

    run: str
    honbun: str | None
    negaposi: str | None
    precision: str

    @classmethod
    def of(cls, run: str, honbun: str | None, negaposi: str | None, precision: str) -> About:
        """With absolute paths."""
        paths = absolute({"output_dir": run, "honbun": honbun, "negaposi": negaposi})
        return cls(paths["output_dir"], paths["honbun"], paths["negaposi"], precision)

    @property
    def stem(self) -> str:
        """A name for its folder."""
        if self.negaposi is None:
            return self.precision
        return os.path.splitext(os.path.basename(self.negaposi))[0][:LONGEST_STEM]

    @property
    def digest(self) -> str:
        """A short hash of all of it but the run."""
        about = json.dumps([self.honbun, self.negaposi, self.precision])
        return hashlib.sha256(about.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def default_folder(about: About) -> str:
    """``evaluation_STEM`` in the run's folder; with a hash where that has other figures."""
    folder = join(about.run, f"evaluation_{about.stem}")
    return folder if is_free(folder, about) else f"{folder}_{about.digest}"


def is_free(folder: str, about: About) -> bool:
    """Whether there is nothing in it, or older figures of the same."""
    return not _names(folder) or (exists(join(folder, ABOUT)) and _about(folder) == about)


def check_free(folder: str, about: About) -> None:
    """Refuses a folder that has something else in it, so that nothing there is replaced.

    Raises:
        InputError: it is a run, has the figures of something else, or files that are not this command's.
    """
    _refuse_run(folder)
    if is_free(folder, about):
        return
    if not exists(join(folder, ABOUT)):
        raise InputError(f"--output_dir {folder}: not empty (holds {quoted(_names(folder)[0])}); give a new folder")
    of = _about(folder)
    raise InputError(
        f"--output_dir {folder}: holds the figures of {quoted(of.negaposi or 'the test pairs')} in {of.precision} by "
        f"{quoted(of.run)}; give a new folder"
    )


def claim(folder: str, about: About) -> None:
    """Writes whose figures will be there."""
    write_json(join(folder, ABOUT), dataclasses.asdict(about))


def check_only(folder: str, own: Sequence[str]) -> None:
    """Refuses the folder of a run, and one that holds anything but our ``own`` files.

    Raises:
        InputError: names what is there.
    """
    _refuse_run(folder)
    others = [name for name in _names(folder) if name not in own]
    if others:
        raise InputError(f"--output_dir {folder}: not empty (holds {quoted(others[0])}); give a new folder")


def _refuse_run(folder: str) -> None:
    if exists(RunFolder(folder).config):
        raise InputError(f"--output_dir {folder}: is a run, whose own figures would be replaced; give a new folder")


def _names(folder: str) -> list[str]:
    """What is in the folder but the lock, and what a killed process left."""
    return [name for name in list_folder(folder) if not is_leftover(name)]


def _about(folder: str) -> About:
    return read_as(About, join(folder, ABOUT), "remove the folder if its figures are not needed, or give a new one")
