"""Keras' weight files of a ``BertEncoder``: ``.h5``, which names its variables, and ``.weights.h5``, which does not."""

from __future__ import annotations

import h5py
import numpy as np

from checkpoints_tools.config import BertConfig
from checkpoints_tools.encoder import build_encoder, encoder_to_tf1
from checkpoints_tools.errors import InputError
from checkpoints_tools.tf2 import EncoderVariables
from checkpoints_tools.weights import Variable, Weights


def open_keras(path: str, config: BertConfig | None) -> Weights:
    """Opens either kind.

    Args:
        path: the file.
        config: the architecture; only a ``.weights.h5`` needs it.

    Raises:
        InputError: not a readable HDF5 file, or no file of an encoder's weights.
    """
    try:
        with h5py.File(path, "r") as file:
            named = "layer_names" in file.attrs or any("layer_names" in group.attrs for group in file.values())
    except OSError as error:
        raise InputError(f"{path}: not a readable Keras weight file: {' '.join(str(error).split())[:200]}") from None
    if named:
        return NamedKerasWeights(path)
    if config is None:
        raise InputError(f"{path}: a .weights.h5 does not name its variables; give --bert_config_file")
    return NamelessKerasWeights(path, config)


class NamedKerasWeights(EncoderVariables):
    """What ``encoder.save_weights("NAME.h5")`` writes."""

    def __init__(self, path: str) -> None:
        self.path, self.kind, self.slots = path, "keras", 0
        self._datasets: dict[str, str] = {}
        own: dict[str, Variable] = {}

        def collect(place: str, item: h5py.Group | h5py.Dataset) -> None:
            for raw in item.attrs.get("weight_names", ()):
                full_name = (raw.decode() if isinstance(raw, bytes) else raw).removesuffix(":0")
                dataset = f"{place}/{full_name}:0"
                own[full_name] = Variable(tuple(file[dataset].shape), file[dataset].dtype.name)
                self._datasets[full_name] = dataset

        with h5py.File(path, "r") as file:
            file.visititems(collect)
        self._name(own)

    def _read_own(self, full_name: str) -> np.ndarray:
        with h5py.File(self.path, "r") as file:
            return file[self._datasets[full_name]][()]


class NamelessKerasWeights(Weights):
    """What ``encoder.save_weights("NAME.weights.h5")`` writes: Keras itself must say which is which.

    Raises:
        InputError: the file is not of an encoder of this configuration.
    """

    def __init__(self, path: str, config: BertConfig) -> None:
        self.path, self.kind, self.slots, self.others = path, "keras", 0, []
        self.known = {"num_attention_heads": config.num_attention_heads}
        encoder = build_encoder(config)
        try:
            encoder.load_weights(path)
        except (ValueError, KeyError, OSError) as error:
            raise InputError(f"{path}: does not fit the BERT config: {' '.join(str(error).split())[:200]}") from None
        self._arrays = encoder_to_tf1(encoder, config)
        self.variables = {name: Variable(value.shape, value.dtype.name) for name, value in self._arrays.items()}

    def _read(self, name: str) -> np.ndarray:
        return self._arrays[name]
