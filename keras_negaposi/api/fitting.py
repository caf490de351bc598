"""Trains a run on pairs in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import signal
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from checkpoints_tools.common import temporary
from checkpoints_tools.common.errors import Stopped
from checkpoints_tools.common.files import exists, make_folder, remove
from checkpoints_tools.common.streams import say
from keras_negaposi.data.pairs import PairData
from keras_negaposi.readers.pair_source import write_source
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.tokenizers.opening import describe
from keras_negaposi.training.complete_config import complete_config
from keras_negaposi.training.run import run


def train_run(data: PairData, values: Mapping[str, Any], given: Mapping[str, Any], command: str) -> str:
    """Trains and evaluates a run, whose folder then contains the pairs too; returns the folder.

    Args:
        data: the labelled pairs.
        values: options, with ``output_dir``.
        given: those of them that the user gave.
        command: what is saved with the run as its command.

    Raises:
        InputError: an input cannot be used; there is no file in ``output_dir`` then.
        KeyboardInterrupt: the user stopped the training; the run can be resumed by ``train``.
        Stopped: another signal did.
    """
    with temporary.folder(tempfile.gettempdir()) as staging:  # a recipe reads the pairs
        config = complete_config({**values, **_write_pairs(data, staging)}, given)
    say(describe(config))
    make_folder(config.output_dir)
    files = _write_pairs(data, config.output_dir)
    try:
        with _root_logger_kept():
            run(dataclasses.replace(config, **files), command)
    except Stopped as stopped:
        if stopped.signal == signal.SIGINT:
            raise KeyboardInterrupt(str(stopped)) from None
        raise
    finally:
        if not exists(RunFolder(config.output_dir).config):
            for path in files.values():
                remove(path)
    return config.output_dir


@contextlib.contextmanager
def _root_logger_kept() -> Iterator[None]:
    """Removes the handlers that the root logger gets within the block.

    absl, through which TensorFlow logs, configures it where nobody has; the user's own ``logging.basicConfig`` would
    then do nothing.
    """
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        yield
    finally:
        for handler in [handler for handler in root.handlers if handler not in before]:
            root.removeHandler(handler)


def _write_pairs(data: PairData, path: str) -> dict[str, Any]:
    """Writes the pairs and their texts to a folder, and returns the options that name the files."""
    folder = RunFolder(path)
    files = {"honbun": folder.honbun, "negaposi": folder.negaposi}
    write_source(data, files)
    return files
