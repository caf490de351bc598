"""Converts a BERT to another format: weights, config and tokenizer files."""

from __future__ import annotations

import dataclasses
import importlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from checkpoints_tools import name_map
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, join, list_folder, remove, staged_folder, write_json
from checkpoints_tools.common.schema import read_as
from checkpoints_tools.formats.base import listed, shown
from checkpoints_tools.formats.tokenizer_files import copy_tokenizer
from checkpoints_tools.source import Source, folder_of, open_source

PREFIX = "bert_model.ckpt"
LIST = "conversion.json"
"""Lists the files that `convert` wrote to a folder; ``--force`` replaces only these."""
_EXPORT = "keras_negaposi.exporting.export_run"
"""The module that writes a whole run. It is found by name when it is needed: nothing else here knows keras_negaposi."""
_OTHER_FOLDER = "give another folder"


@dataclasses.dataclass(frozen=True)
class Conversion:
    """The result of `convert`.

    Attributes:
        output_dir: the folder that was written.
        format: one of `bert_config.FORMATS`.
        variables: number of variables written.
        left_out: names of the variables that the format cannot hold, and the number of optimizer slots.
        notes: sentences for the user.
    """

    output_dir: str
    format: str
    variables: int
    left_out: list[str]
    notes: list[str]

    def describe(self) -> str:
        """Returns a summary of several lines."""
        left_out = f"\nleft out: {listed([*map(shown, self.left_out)])}" if self.left_out else ""
        notes = "".join(f"\n{note}" for note in self.notes)
        return (
            f"{self.output_dir}: {self.format}, {self.variables} variables, read back and equal bit by bit"
            f"{left_out}{notes}"
        )


def convert(source: Source, output_dir: str, to: str, force: bool = False) -> Conversion:
    """Writes a BERT in another format: weights, config and tokenizer files.

    Of a finished run with head ``pair``, Hugging Face's format has all that transformers needs to score as the run
    does. The pre-training heads and run_classifier.py's head are converted too; optimizer slots and the step are not.
    The weights are written to a temporary folder, read back and compared before the folder gets its final name.

    Args:
        source: the checkpoint, as returned by `source.open_source`.
        output_dir: a new or empty folder.
        to: one of `bert_config.FORMATS`.
        force: also accept a folder that an earlier conversion wrote, and replace all of its files at once.

    Raises:
        InputError: the folder holds other files, or the source cannot be read.
    """
    old = _replaceable(output_dir, source, force)
    kept, left_out = _choose(source, to)
    notes = _notes(source, to)
    arrays = {name: source.weights[name] for name in kept}
    with _replaced(output_dir, old) as folder:
        notes += copy_tokenizer(folder_of(source.path), folder)
        is_whole, more = _export_run(folder, source, to)
        notes += more
        if not is_whole:
            _write(folder, arrays, source, to)
        _check(folder, arrays)
        write_json(join(folder, LIST), {"format": to, "files": sorted([*os.listdir(folder), LIST])})
    return Conversion(output_dir, to, len(arrays), left_out, notes)


@dataclasses.dataclass(frozen=True)
class _List:
    """The content of `LIST`."""

    files: list[str]


def _replaceable(output_dir: str, source: Source, force: bool) -> list[str]:
    """Returns the names of the files that the conversion will replace.

    Raises:
        InputError: the folder holds the source, or files that no conversion wrote.
    """
    if not output_dir:
        raise InputError("--output_dir is empty; give a folder")
    found = list_folder(output_dir)
    if not found:
        return []
    if not force:
        raise InputError(
            f"{output_dir}: not empty (holds {found[0]}); {_OTHER_FOLDER}, or --force to replace an earlier conversion"
        )
    # Never replace the input, even through a symbolic link.
    inputs = [source.path, source.weights.path, f"{source.weights.path}.index", source.config_file or source.path]
    if not is_remote(output_dir):  # the files and their folders may be symbolic links
        inputs += [os.path.realpath(path) for path in inputs] + [os.path.realpath(folder_of(path)) for path in inputs]
    if {output_dir.rstrip("/"), os.path.realpath(output_dir)} & {folder_of(path).rstrip("/") for path in inputs}:
        raise InputError(f"{output_dir}: holds the input, which is never replaced; {_OTHER_FOLDER}")
    # Replace only the files that an earlier conversion listed.
    if not exists(join(output_dir, LIST)):
        raise InputError(
            f"{output_dir}: not empty (holds {found[0]}), and --force replaces only files that convert wrote (there is "
            f"no {LIST}); {_OTHER_FOLDER}"
        )
    ours = read_as(_List, join(output_dir, LIST), _OTHER_FOLDER).files
    foreign = [name for name in found if name not in ours]
    if foreign:
        raise InputError(f"{output_dir}: holds {shown(foreign[0])}, which convert did not write; {_OTHER_FOLDER}")
    return found


@contextmanager
def _replaced(path: str, old: list[str]) -> Iterator[str]:
    """Yields a temporary folder that replaces ``path`` if the block succeeds.

    Args:
        path: the final folder.
        old: the names of the files that it holds now, all of which are replaced.

    Raises:
        InputError: the folder cannot be renamed.
    """
    if not old:
        with staged_folder(path) as folder:
            yield folder
    elif is_remote(path):  # no atomic rename: an interruption leaves no checkpoint rather than a mix of two
        with staged_folder(path) as folder:
            yield folder
            for name in sorted(old, key=lambda name: name == LIST):
                remove(join(path, name))
    else:
        target = os.path.realpath(path)  # a symbolic link keeps pointing at the same folder
        new = f"{target}.{secrets.token_hex(4)}"
        with staged_folder(new) as folder:
            yield folder
        shutil.copymode(target, new)
        try:
            os.rename(target, f"{new}.old")
            os.rename(new, target)
        except OSError as error:  # for example because it is a mount point
            if not os.path.exists(target):
                os.rename(f"{new}.old", target)
            shutil.rmtree(new)
            raise InputError(f"{path}: cannot be replaced ({error.strerror}); {_OTHER_FOLDER}") from None
        shutil.rmtree(f"{new}.old")


def _choose(source: Source, to: str) -> tuple[list[str], list[str]]:
    """Returns the names of the variables that the format can hold, and what is left out."""
    weights = source.weights
    known = {row.tf1 for row in name_map.HEAD_ROWS}

    def fits(name: str) -> bool:
        """Returns whether the format can hold the variable."""
        if name_map.is_head(name):
            return name in known or to != "huggingface"
        return not name_map.is_ignored(name)

    kept = list(filter(fits, weights))
    left_out = [name for name in weights if not fits(name)] + weights.others
    if weights.slots:
        left_out.append(f"{weights.slots} optimizer slots")
    return kept, left_out


def _notes(source: Source, to: str) -> list[str]:
    """Returns notes on what another program would compute differently or not open, and on a missing pooler."""
    notes = []
    if to == "tf1" and not source.config.gelu_approximate:
        notes.append(
            "this BERT uses the exact gelu, and google-research/bert only the tanh approximation: its own code will "
            "compute slightly different outputs; checkpoints_tools reads gelu_approximate in bert_config.json"
        )
    if to == "tf1" and source.config.layer_norm_eps != 1e-12:
        notes.append(
            f"this BERT's LayerNorm epsilon is {source.config.layer_norm_eps}; google-research/bert always uses 1e-12"
        )
    if not source.weights.has_pooler:
        fresh = "a randomly initialised one was written" if to == "tf2" else "none was written"
        notes.append(f"the checkpoint has no pooler; {fresh}")
    return notes


def _export_run(folder: str, source: Source, to: str) -> tuple[bool, list[str]]:
    """Writes a run with its own tokenizer and calibration, if the format can hold it.

    Returns:
        Whether it did, and notes for the user.
    """
    if to != "huggingface" or not source.is_run:
        return False, []
    try:
        _, *notes = importlib.import_module(_EXPORT).write_export(source.path, to, folder)
    except InputError as error:
        return False, [
            f"only the BERT was written, not the whole run; python -m keras_negaposi.export says why: {error}"
        ]
    return True, ["the whole run was written: transformers opens it with its tokenizer and its classifier", *notes]


def _write(folder: str, arrays: Mapping[str, np.ndarray], source: Source, to: str) -> None:
    """Writes the weights and the config."""
    if to == "huggingface":
        from checkpoints_tools.formats.huggingface import FILE, write_huggingface

        architecture = write_huggingface(join(folder, FILE), arrays)
        write_json(join(folder, "config.json"), source.config.to_huggingface(architecture))
        return
    from checkpoints_tools.formats.tf1 import write_checkpoint
    from checkpoints_tools.formats.tf2 import write_tf2

    if to == "tf1":
        write_checkpoint(join(folder, PREFIX), arrays)
    else:
        write_tf2(join(folder, PREFIX), arrays, source.config)
    write_json(join(folder, "bert_config.json"), source.config.to_google())


def _check(folder: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Reads the weights back and compares them bit by bit."""
    written = open_source(folder).weights
    for name, value in arrays.items():
        if not np.array_equal(written[name], value):
            raise RuntimeError(f"{name} differs from the value that was written")
