"""Reads and writes TF2 checkpoints of a tf-models ``BertEncoder``, alone or as part of a model.

An object-based checkpoint stores each variable under its path through the objects, together with the variable's own
name. The name map uses the latter, so any object can have written the checkpoint.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from checkpoints_tools import name_map
from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.encoder import assign_encoder, build_encoder
from checkpoints_tools.formats.base import Variable, Weights, shown
from checkpoints_tools.formats.tf1 import Reader

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The entry that only object-based checkpoints have."""
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_RANDOM_STATE = "StateVar"
"""The variable of a tf.random.Generator; training checkpoints have those of dropout."""
_PARTNER = "_partner/"
"""Before the keys of another run's model, which a run with ``--ensemble`` contains."""
_ITERATIONS = ("optimizer/_iterations" + _VALUE, "optimizer/iter" + _VALUE)
_MARK = name_map.EMBEDDING_ROWS[0].encoder
_ROWS = {row.encoder: row for row in name_map.ENCODER_ROWS}
_PARTS = tuple({row.encoder.split("/")[0] + "/" for row in name_map.ENCODER_ROWS})
_CLASSIFIER = {"classifier/kernel": "output_weights", "classifier/bias": "output_bias"}
"""The output head of a pair classifier. A Keras kernel is ``[hidden, classes]``, the transpose of TF1's."""


class EncoderVariables(Weights):
    """Weights that are stored under the names and in the shapes of a ``BertEncoder``'s variables."""

    def _name(self, own: Mapping[str, Variable]) -> None:
        """Sets the attributes of `Weights`.

        Args:
            own: the variables by their own names, in their own shapes.
        """
        scope = next((name.removesuffix(_MARK) for name in sorted(own) if name.endswith(_MARK)), "")
        self.variables, self._own, self.others, self.known = {}, {}, [], {}
        for full_name, variable in own.items():
            name = full_name.removeprefix(scope)
            form, layer = name_map.split_layer(name)
            shape = variable.shape
            if form in _ROWS:
                row = _ROWS[form]
                name = row.tf1.format(layer=layer)
                if len(shape) == len(row.encoder_shape):
                    self._learn_heads(row, shape)
                    shape = _merged(row, shape)
            elif name in _CLASSIFIER:
                name, shape = _CLASSIFIER[name], shape[::-1]
            elif not (name.startswith(_PARTS) or name_map.is_ignored(name)):
                self.others.append(full_name)
                continue
            self.variables[name] = Variable(shape, variable.dtype)
            self._own[name] = full_name
        self.variables = dict(sorted(self.variables.items()))

    def _learn_heads(self, row: name_map.Row, shape: tuple[int, ...]) -> None:
        """Stores the number of attention heads if the shape has it."""
        if "heads" in row.encoder_shape:
            self.known["num_attention_heads"] = shape[row.encoder_shape.index("heads")]

    def _read(self, name: str) -> np.ndarray:
        full_name = self._own[name]
        value = self._read_own(full_name)
        return value.T if full_name.endswith("classifier/kernel") else value.reshape(self.variables[name].shape)

    def read_other(self, name: str) -> np.ndarray:
        """Reads one of `others`, in its own shape, as float32.

        Raises:
            InputError: its data is damaged, NaN or infinite.
        """
        return self._finite(name, self._read_own(name).astype(np.float32))

    @abc.abstractmethod
    def _read_own(self, full_name: str) -> np.ndarray:
        """Reads a variable by its own name, in its own shape."""


def _merged(row: name_map.Row, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the TF1 shape of an encoder's variable: number and size of the heads become one dimension."""
    if "heads" not in row.encoder_shape:
        return shape
    at = row.encoder_shape.index("heads")
    return (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])


class Tf2Weights(EncoderVariables):
    """An object-based checkpoint.

    Args:
        prefix: the prefix, as returned by `tf1.resolve_prefix`.

    Raises:
        InputError: it cannot be read, or two variables have the same name.
    """

    def __init__(self, prefix: str) -> None:
        self.path = prefix
        self.kind = "tf2"
        self._reader = Reader(prefix)
        self._keys: dict[str, str] = {}
        self.slots = 0
        for full_name, key in self._saved_variables():
            if key in _ITERATIONS:
                full_name = name_map.GLOBAL_STEP
            elif key.startswith(("save_counter/", _PARTNER)) or full_name.endswith(_RANDOM_STATE):
                continue
            elif key.startswith("optimizer/") or ".OPTIMIZER_SLOT" in key:
                self.slots += 1
                continue
            if full_name in self._keys:
                raise InputError(f"{prefix}: two variables are named {shown(full_name)}; save the encoder alone")
            if key not in self._reader.variables:
                raise InputError(f"{prefix}.index: no data for {shown(full_name)}; copy the checkpoint again")
            self._keys[full_name] = key
        self._name({name: self._reader.variables[key] for name, key in self._keys.items()})

    def _saved_variables(self) -> list[tuple[str, str]]:
        """Returns pairs of a variable's name and its key in the checkpoint."""
        if OBJECT_GRAPH not in self._reader.variables:
            raise InputError(f"{self.path}.index: no object graph; give a TensorFlow 2 checkpoint")
        try:
            graph = TrackableObjectGraph.FromString(self._reader(OBJECT_GRAPH))
        except (DecodeError, TypeError):
            raise InputError(f"{self.path}: the object graph is damaged; copy the checkpoint again") from None
        attributes = (attribute for node in graph.nodes for attribute in node.attributes)
        return [(a.full_name.removesuffix(":0"), a.checkpoint_key) for a in attributes if a.name == "VARIABLE_VALUE"]

    def _read_own(self, full_name: str) -> np.ndarray:
        return self._reader(self._keys[full_name])


def write_tf2(prefix: str, arrays: Mapping[str, np.ndarray], config: BertConfig) -> None:
    """Writes an object-based checkpoint that ``tf.train.Checkpoint(encoder=...)`` and ``(model=...)`` restore.

    Args:
        prefix: the prefix of the checkpoint.
        arrays: the values by TF1 name; those of output heads are saved as ``heads``, under these names.
        config: the architecture.
    """
    encoder = build_encoder(config)
    assign_encoder(encoder, arrays, config)
    heads = tf.Module()
    heads.all = [tf.Variable(value, name=name) for name, value in arrays.items() if name_map.is_head(name)]
    tf.train.Checkpoint(encoder=encoder, model=encoder, heads=heads).write(prefix)
