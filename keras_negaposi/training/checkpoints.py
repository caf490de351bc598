"""Finds and restores the newest readable checkpoint of a run."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.files import join, list_folder, write_text
from keras_negaposi.runtime.run_folder import RunFolder


def restore_newest(
    checkpoint: tf.train.Checkpoint,
    folder: RunFolder,
    options: tf.train.CheckpointOptions | None,
    write_state: bool,
) -> bool:
    """Restores the newest readable checkpoint; returns whether there is one.

    TensorFlow's state file is rewritten but never read: it may be damaged, or older than the newest checkpoint.

    Args:
        checkpoint: tracks everything that a resumed run needs.
        folder: holds the checkpoints.
        options: for reading.
        write_state: whether this process writes the state file.

    Raises:
        InputError: there are checkpoints, but none is readable; the message says how to start over.
    """
    names = _complete(folder.checkpoints)
    while names:
        newest = join(folder.checkpoints, names[-1])
        problem = problem_of(functools.partial(checkpoint.restore, newest, options))
        if problem is None:
            if write_state:
                _write_state(folder.checkpoints, names)
            return True
        names.pop()
        if not names:
            raise InputError(
                f"{newest}: cannot be read ({problem}), and no older checkpoint is readable; to train from the "
                f"beginning, remove {folder.checkpoints} and resume again"
            )
        say(f"{newest}: cannot be read ({problem}); using the checkpoint before it")
    return False


def has_checkpoint(folder: RunFolder) -> bool:
    """Returns whether the run has a complete checkpoint: then it is resumed, or `restore_newest` fails."""
    return any(re.fullmatch(r"ckpt-\d+\.index", name) for name in list_folder(folder.checkpoints))


def _complete(folder: str) -> list[str]:
    """Returns the names of the complete checkpoints, oldest first; reports the ones that a kill left incomplete."""
    matches = [re.fullmatch(r"(ckpt-(\d+))\.(index|data-.*)", name) for name in list_folder(folder)]
    files = [(int(match[2]), match[1], match[3]) for match in matches if match]
    complete = {(step, name) for step, name, kind in files if kind == "index"}
    for name in sorted({name for step, name, _ in files if (step, name) not in complete}):
        say(f"{join(folder, name)}: incomplete (the .index file is missing); ignored")
    return [name for _, name in sorted(complete)]


def _write_state(folder: str, names: list[str]) -> None:
    """Writes TensorFlow's state file; without timestamps, `tf.train.CheckpointManager` would drop the checkpoints."""
    paths = [f'all_model_checkpoint_paths: "{name}"' for name in names]
    times = [f"all_model_checkpoint_timestamps: {number}" for number in range(1, len(names) + 1)]
    lines = [f'model_checkpoint_path: "{names[-1]}"', *paths, *times]
    write_text(join(folder, "checkpoint"), "".join(f"{line}\n" for line in lines))


def problem_of(restore: Callable[[], Any]) -> str | None:
    """Restores all values of a checkpoint; returns the problem, or ``None`` on success.

    Args:
        restore: calls `tf.train.Checkpoint.restore` or ``read``, and returns its result.
    """
    try:
        restore().assert_existing_objects_matched()
    except Exception as error:  # TensorFlow may raise any type of error for a damaged file
        return shortened(" ".join(str(error).split()), 120) or type(error).__name__
    return None
