"""Exports a finished run: one folder that another tool opens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, join, list_folder, staged_tree, write_text
from keras_negaposi.config.exporting import HUGGINGFACE, ONNX, SENTENCE_TRANSFORMERS, SERVING
from keras_negaposi.config.heads import BI_ENCODER, HEADS
from keras_negaposi.exporting.bi_encoder import write_bi_encoder
from keras_negaposi.exporting.cross_encoder import write_cross_encoder
from keras_negaposi.exporting.finished_run import FinishedModel, read_finished_model
from keras_negaposi.exporting.onnx_file import write_onnx
from keras_negaposi.exporting.serving_folder import next_version, write_saved_model
from keras_negaposi.exporting.usage import usage
from keras_negaposi.reporting.model_card import exported_card


class _Format(NamedTuple):
    """A format of exported folders.

    Attributes:
        write: writes the folder's files.
        heads: heads that it can hold.
        library: name of the library that opens it, as on Hugging Face's Hub.
        is_whole: whether all of a run is exported, its lexical features too.
    """

    write: Callable[[FinishedModel, str], None]
    heads: tuple[str, ...]
    library: str
    is_whole: bool = False


_FORMATS = {
    HUGGINGFACE: _Format(write_cross_encoder, ("pair",), "transformers"),
    SENTENCE_TRANSFORMERS: _Format(write_bi_encoder, (BI_ENCODER,), "sentence-transformers"),
    ONNX: _Format(write_onnx, tuple(HEADS), "onnx"),
    SERVING: _Format(write_saved_model, tuple(HEADS), "tf-keras", is_whole=True),
}


def export_run(path: str, to: str, output: str) -> list[str]:
    """Exports a finished run.

    Args:
        path: the run's folder.
        to: one of `config.exporting.FORMATS`.
        output: a new or empty folder; for `SERVING`, one that may hold earlier versions.

    Returns:
        Lines for the user: the folder that was written, and what it leaves out.

    Raises:
        InputError: the run is not finished, the format cannot hold it, or the folder holds other files.
    """
    target = _target(to, output)
    with staged_tree(target) as folder:
        lines = write_export(path, to, folder)
    return [f"{target}: {lines[0]}", *lines[1:]]


def write_export(path: str, to: str, folder: str) -> list[str]:
    """Writes the files of an export into an empty folder; ``checkpoints_tools convert`` calls it too.

    Args:
        path: the run's folder.
        to: one of `config.exporting.FORMATS`.
        folder: a local folder.

    Returns:
        Lines for the user: what was written, and what it leaves out.

    Raises:
        InputError: the run is not finished, or the format cannot hold it; no file was written then.
    """
    model = read_finished_model(path)
    _check_head(model, to)
    _FORMATS[to].write(model, folder)
    if exists(model.folder.card):
        card = exported_card(model.folder.card, _FORMATS[to].library, usage(model, to))
        write_text(join(folder, os.path.basename(model.folder.card)), card)
    return [f"{to}, head {model.config.head}", *_notes(model, to)]


def _target(to: str, output: str) -> str:
    """Returns the folder to write.

    Raises:
        InputError: it is remote, or holds other files.
    """
    if is_remote(output):
        raise InputError(f"--output {output}: give a local folder, and copy it from there")
    if to == SERVING:
        return join(output, str(next_version(output)))
    if found := list_folder(output):
        raise InputError(f"--output {output}: not empty (holds {found[0]}); give another folder")
    return output


def _check_head(model: FinishedModel, to: str) -> None:
    """Rejects a head that the format cannot hold.

    Raises:
        InputError: names a format that can.
    """
    head = model.config.head
    if head in _FORMATS[to].heads:
        return
    fitting = next(name for name, known in _FORMATS.items() if head in known.heads)
    raise InputError(
        f"--to {to}: holds runs of head {' or '.join(_FORMATS[to].heads)}, and {model.folder.path} has head {head}; "
        f"give --to {fitting}"
    )


def _notes(model: FinishedModel, to: str) -> Iterator[str]:
    """Yields what the exported folder leaves out."""
    if not _FORMATS[to].is_whole:
        yield from model.notes(has_densities=to == ONNX)
    if not model.config.test_share:
        yield "no model card: the run has no test part (--test_share 0)"
    elif not exists(model.folder.card):
        yield f"no model card: python -m keras_negaposi.evaluate {model.folder.path} writes one"
