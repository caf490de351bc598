"""Reads Keras weight files of a ``BertEncoder``.

A ``.h5`` file names its variables, a ``.weights.h5`` file does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import h5py
import numpy as np

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.encoder import build_encoder, encoder_to_tf1
from checkpoints_tools.formats.base import Variable, Weights, reason_of, shown
from checkpoints_tools.formats.tf2 import EncoderVariables
from checkpoints_tools.name_map import entries

_MOST_COMPRESSED = 1100
"""Largest compression ratio of a dataset; a little more than gzip, which h5 files may use, reaches for zeros."""


def open_keras(path: str, config: BertConfig | None) -> Weights:
    """Opens a weight file of either kind.

    Args:
        path: the file.
        config: the architecture; only ``.weights.h5`` needs it.

    Raises:
        InputError: the file is not readable HDF5, or does not hold the weights of an encoder.
    """
    with _opened(path) as file:
        _check(file, path)
        named = "layer_names" in file.attrs or any("layer_names" in group.attrs for group in file.values())
    if named:
        return NamedKerasWeights(path)
    if config is None:
        raise InputError(f"{path}: a .weights.h5 does not name its variables; give --bert_config_file")
    return NamelessKerasWeights(path, config)


@contextmanager
def _opened(path: str) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading, and turns every error of h5py into one message.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except Exception as error:  # each kind of damage raises another type
        raise InputError(f"{path}: not a readable Keras weight file; copy it again: {reason_of(error)}") from None


def _check(file: h5py.File, path: str) -> None:
    """Checks that the file has only what Keras writes: no links, no data in other files, no extreme compression.

    Raises:
        InputError: it has something else; the message names it.
    """
    size, links = file.id.get_filesize(), []
    file.visititems_links(lambda place, link: links.append((place, link)))  # h5py hides errors raised in the callback
    for place, link in links:
        if not isinstance(link, h5py.HardLink):
            raise InputError(f"{path}: {shown(place)} is a link, which Keras does not write; save the weights again")
        item = file[place]
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external:
                raise InputError(f"{path}: {shown(place)} is stored in another file; save the weights again")
            if item.nbytes > _MOST_COMPRESSED * size:
                raise InputError(f"{path}: {shown(place)} is larger than the file; copy it again")


class NamedKerasWeights(EncoderVariables):
    """The weights that ``encoder.save_weights("NAME.h5")`` writes, read by their names."""

    def __init__(self, path: str) -> None:
        self.path, self.kind, self.slots = path, "keras", 0
        self._datasets: dict[str, str] = {}
        own: dict[str, Variable] = {}

        def collect(place: str, item: h5py.Group | h5py.Dataset) -> None:
            for raw in np.atleast_1d(item.attrs.get("weight_names", ())):
                full_name = (raw.decode() if isinstance(raw, bytes) else raw).removesuffix(":0")
                dataset = f"{place}/{full_name}:0"
                own[full_name] = Variable(tuple(file[dataset].shape), file[dataset].dtype.name)
                self._datasets[full_name] = dataset

        with _opened(path) as file:
            file.visititems(collect)
        self._name(own)

    def _read_own(self, full_name: str) -> np.ndarray:
        with _opened(self.path) as file:
            return file[self._datasets[full_name]][()]


class NamelessKerasWeights(Weights):
    """The weights that ``encoder.save_weights("NAME.weights.h5")`` writes.

    The file does not name its variables, so Keras loads them into an encoder.

    Raises:
        InputError: the file does not match the config.
    """

    def __init__(self, path: str, config: BertConfig) -> None:
        self.path, self.kind, self.slots, self.others = path, "keras", 0, []
        self.known = {"num_attention_heads": config.num_attention_heads}
        sizes: list[int] = []
        with _opened(path) as file:
            file.visititems(lambda _, item: sizes.append(item.size or 0) if isinstance(item, h5py.Dataset) else None)
        wanted = sum(math.prod(entry.tf1_shape) for entry in entries(config))
        if wanted > sum(sizes):  # before the encoder takes that much memory
            raise InputError(f"{path}: does not match the BERT config: {sum(sizes):,} values, not {wanted:,}")
        encoder = build_encoder(config)
        try:
            encoder.load_weights(path)
        except Exception as error:  # Keras and h5py raise many types
            raise InputError(f"{path}: does not match the BERT config: {reason_of(error)}") from None
        self._arrays = encoder_to_tf1(encoder, config)
        self.variables = {name: Variable(value.shape, value.dtype.name) for name, value in self._arrays.items()}

    def _read(self, name: str) -> np.ndarray:
        return self._arrays[name]
