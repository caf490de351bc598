"""The signature ``ids`` of a run's SavedModel as ``model.onnx``, by tf2onnx (extra ``onnx``)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import join, write_bytes
from checkpoints_tools.saved_model import find_signature, load_saved_model
from keras_negaposi.exporting.finished_run import FinishedModel
from keras_negaposi.input_pipeline.feature_spec import LAYOUTS, Features
from keras_negaposi.serving.signatures import LABEL, PROBABILITIES, SCORE_IDS

FILE = "model.onnx"
_OPSET = 17
"""Version of ONNX's operators; onnxruntime 1.12 and later know it."""


def write_onnx(model: FinishedModel, folder: str) -> None:
    """Writes `FILE`, with the inputs and outputs of the signature, calibration included.

    Raises:
        InputError: tf2onnx is not installed, or the SavedModel is damaged.
    """
    _converter()  # reports what is missing before anything is loaded
    loaded = load_saved_model(model.folder.saved_model)
    signature = find_signature(loaded, SCORE_IDS, model.folder.saved_model, (PROBABILITIES, LABEL))
    specs = LAYOUTS[model.config.layout].signature()
    write_bytes(join(folder, FILE), to_onnx(lambda features: signature(**features), specs))


def to_onnx(score: Callable[[Features], Features], specs: dict[str, tf.TensorSpec]) -> bytes:
    """Returns a function as the content of a ``.onnx`` file.

    Args:
        score: computes outputs by name from inputs by name.
        specs: the inputs; a dimension that is ``None`` may have any size.
    """
    inputs = list(specs.values())
    function = tf.function(lambda *values: score(dict(zip(specs, values, strict=True))), inputs)
    proto, _ = _converter().from_function(function, inputs, opset=_OPSET)
    return proto.SerializeToString()


def _converter():  # noqa: ANN202 - tf2onnx has no types
    """Imports the optional dependency."""
    try:
        return import_module("tf2onnx.convert")
    except ModuleNotFoundError as error:
        raise InputError(f"--to onnx needs {error.name}; pip install 'keras_negaposi[onnx]'") from None
