"""Finds TensorFlow checkpoints on disk, reads their tensors, and reads and writes TF1 checkpoints."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf

from checkpoints_tools import name_map
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, is_remote, join, opened
from checkpoints_tools.formats.base import Variable, Weights, reason_of, shown
from checkpoints_tools.formats.tf_bundle import Bundle

logger = logging.getLogger(__name__)

_PART = re.compile(r"(?P<prefix>.+)\.(?:index|meta|data-\d{5}-of-\d{5})$")
_SHOWN = 5


def resolve_prefix(init_checkpoint: str) -> str:
    """Returns the prefix of a checkpoint, given its prefix, one of its files or its folder.

    Args:
        init_checkpoint: ``DIR/model.ckpt-1400000``, ``DIR/model.ckpt-1400000.index`` (or ``.meta``, ``.data-...``),
            or ``DIR``, which means its latest checkpoint.

    Raises:
        InputError: there is no checkpoint; the message lists what the folder holds instead.
    """
    path = init_checkpoint.rstrip("/") or init_checkpoint
    if tf.io.gfile.isdir(path):
        prefix = _latest_in_folder(path)
    else:
        part = _PART.match(path)
        prefix = part["prefix"] if part else path
        if not tf.io.gfile.exists(prefix + ".index"):
            raise InputError(f"{init_checkpoint}: no checkpoint ({_folder_content(path)}); give its prefix or folder")
    shards = tf.io.gfile.glob(_escape(prefix) + ".data-*")
    if not shards:
        raise InputError(f"{prefix}: no .data file next to the .index file; copy {prefix}.data-* there")
    for file in (f"{prefix}.index", *shards):
        _check_is_file(file)
    return prefix


def _check_is_file(path: str) -> None:
    """Rejects pipes and devices, from which TensorFlow would wait forever for data."""
    if not is_remote(path):
        with opened(path):
            pass


def _latest_in_folder(folder: str) -> str:
    """Returns the checkpoint that the folder's state file names, or else the one with the highest step."""
    state = join(folder, "checkpoint")
    if exists(state):
        _check_is_file(state)
    try:
        named = tf.train.latest_checkpoint(folder)
    except (tf.errors.OpError, UnicodeDecodeError):
        logger.warning("%s/checkpoint cannot be read; using the checkpoint with the highest step", folder)
        named = None
    prefixes = [path.removesuffix(".index") for path in tf.io.gfile.glob(_escape(folder) + "/*.index")]
    # The state file often has a path of the machine that wrote it, which does not exist here.
    if named in prefixes:
        return named
    if not prefixes:
        raise InputError(f"{folder}: no checkpoint (*.index) in this folder ({_listing(folder)})")
    return max(prefixes, key=_step)


def _step(prefix: str) -> tuple[int, str]:
    """Returns a sort key: the step at the end of a prefix, then the prefix."""
    digits = re.search(r"-([0-9]{1,18})$", prefix)
    return (int(digits[1]) if digits else -1, prefix)


def _folder_content(path: str) -> str:
    """Describes the folder that a missing checkpoint should be in."""
    folder = path.rpartition("/")[0] or "."
    return _listing(folder) if tf.io.gfile.isdir(folder) else f"the folder {folder} does not exist"


def _listing(folder: str) -> str:
    """Describes the content of a folder with its first names."""
    names = sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{folder} holds {', '.join(names[:_SHOWN])}{more}"


def _escape(path: str) -> str:
    """Escapes the wildcards of a path for ``tf.io.gfile.glob``."""
    return re.sub(r"([*?\[\]])", r"[\1]", path)


class Reader:
    """Reads a checkpoint's tensors one by one, on request.

    Args:
        prefix: the prefix, as returned by `resolve_prefix`.

    Raises:
        InputError: the ``.index`` file is damaged or does not belong to a checkpoint.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._bundle = Bundle(prefix)
        self.variables = {name: Variable(entry.shape, entry.dtype.name) for name, entry in self._bundle.entries.items()}
        try:
            self._reader = tf.compat.v1.train.NewCheckpointReader(prefix)  # load_checkpoint would accept a folder
        except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
            raise InputError(f"{prefix}.index: not a readable checkpoint; copy it again: {reason_of(error)}") from None

    def __call__(self, name: str) -> np.ndarray:
        """Reads a tensor.

        Raises:
            InputError: its data is damaged or truncated.
        """
        self._bundle.check(name)
        try:
            return self._reader.get_tensor(name)
        except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
            place = self._bundle.data_file(self._bundle.entries[name].shard)
            raise InputError(
                f"{place}: {shown(name)} cannot be read; copy the checkpoint again: {reason_of(error)}"
            ) from None

    def check(self) -> None:
        """Checks that the data of all tensors is complete, without reading it.

        Raises:
            InputError: a ``.data`` file is missing or truncated, or a tensor has an unsupported element type.
        """
        for name in self._bundle.entries:
            self._bundle.check(name)


def write_checkpoint(prefix: str, variables: Mapping[str, np.ndarray]) -> None:
    """Writes a name-based checkpoint and the state file ``checkpoint``, as TF1's ``Saver`` does."""
    names = sorted(variables)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(variables[name]) for name in names],
    )
    folder, _, name = prefix.rpartition("/")
    with tf.io.gfile.GFile(f"{folder or '.'}/checkpoint", "w") as state:
        state.write(f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n')


class Tf1Weights(Weights):
    """A google-research/bert checkpoint, with its variables in the scope ``bert/``, ``OUTER/bert/`` or in none.

    Args:
        prefix: the prefix, as returned by `resolve_prefix`.

    Raises:
        InputError: the ``.index`` file is damaged, or two variables have the same name except for their scope.
    """

    def __init__(self, prefix: str) -> None:
        self.path = prefix
        self.kind = "tf1"
        self.known = {}
        self.others = []
        self._reader = Reader(prefix)
        own = [name for name in self._reader.variables if not name_map.is_slot(name)]
        self.slots = len(self._reader.variables) - len(own)
        scope = _scope(self._reader.variables)
        self._names = {_without_scope(name, scope): name for name in sorted(own)}
        if len(self._names) < len(own):
            raise InputError(
                f"{prefix}.index: holds a variable both inside and outside of the scope {shown(scope)}; remove one"
            )
        self.variables = {name: self._reader.variables[own] for name, own in sorted(self._names.items())}

    def _read(self, name: str) -> np.ndarray:
        return self._reader(self._names[name])


_MARK = name_map.EMBEDDING_ROWS[0].tf1.removeprefix("bert/")


def _scope(names: Iterable[str]) -> str:
    """Returns the scope of ``embeddings/word_embeddings``, usually ``bert/``."""
    return next((name.removesuffix(_MARK) for name in sorted(names) if name.endswith(_MARK)), "bert/")


def _without_scope(name: str, scope: str) -> str:
    """Returns a variable's name in the scope ``bert/``."""
    if not scope:
        return f"bert/{name}" if name.startswith(("embeddings/", "encoder/", "pooler/")) else name
    if not scope.endswith("bert/"):  # another model; its names are not BERT's
        return name
    outer = scope.removesuffix("bert/")
    return name.removeprefix(outer)
