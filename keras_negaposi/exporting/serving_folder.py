"""The SavedModel in the layout of TensorFlow Serving: ``FOLDER/1/``, ``FOLDER/2/``, of which it serves the highest."""

from __future__ import annotations

import os
import shutil

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote, list_folder
from checkpoints_tools.saved_model import check_saved_model
from keras_negaposi.exporting.finished_run import FinishedModel


def next_version(folder: str) -> int:
    """Returns the number after the highest version in a folder; 1 for a new one."""
    return 1 + max((int(name) for name in list_folder(folder) if name.isascii() and name.isdigit()), default=0)


def write_saved_model(model: FinishedModel, folder: str) -> None:
    """Copies the SavedModel of a run, which `serving.export` wrote.

    Raises:
        InputError: the run is not on this machine, or its SavedModel is damaged.
    """
    source = model.folder.saved_model
    if is_remote(source):
        raise InputError(f"{source}: copy the run to this machine first")
    check_saved_model(source)
    for name in os.listdir(source):
        path, target = os.path.join(source, name), os.path.join(folder, name)
        (shutil.copytree if os.path.isdir(path) else shutil.copyfile)(path, target)
