"""Scores with a finished run's model in bfloat16: faster on a processor that has bfloat16 instructions.

A SavedModel computes in float32, so the model is built again and gets the SavedModel's weights.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from checkpoints_tools.saved_model import load_saved_model
from keras_negaposi.input_pipeline.feature_spec import Features
from keras_negaposi.input_pipeline.packing import trim
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.precision import precision
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.by_ids import run_preprocessor
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.density import density_of
from keras_negaposi.serving.export import make_scorer


class InBfloat16:
    """One signature of a run's SavedModel in bfloat16; the signature takes token ids.

    Args:
        run: the folder of a finished run.
        signature: its name, one of those for token ids.

    Raises:
        InputError: ``run`` is not the folder of a finished run, or its model cannot be built from its options.
    """

    def __init__(self, run: str, signature: str) -> None:
        folder = RunFolder(run)
        if not exists(folder.config):
            raise InputError(f"{run}: not the folder of a finished run; --precision bfloat16 needs one")
        loaded = load_saved_model(folder.saved_model)
        with precision("bfloat16"):
            model = build(saved_options(run), BertConfig.from_file(folder.bert_config))
        weights = {weight.name: weight.numpy() for weight in getattr(loaded, "weights", [])}
        if [v.name for v in model.weights if getattr(weights.get(v.name), "shape", None) != v.shape]:
            raise InputError(
                f"{run}: its weights are not those of its options, such as those of a classifier that was given as "
                "code, so --precision bfloat16 cannot build it; use float32"
            )
        model.set_weights([weights[variable.name] for variable in model.weights])
        density = density_of(loaded)
        self._scorer = make_scorer(model, run_preprocessor(run), saved_calibration(folder), density=density)
        self._function = self._scorer.signatures()[signature]

    def __call__(self, packed: Features) -> dict[str, np.ndarray]:
        """Returns the signature's outputs.

        Args:
            packed: the signature's inputs, ``int32 [batch, seq]`` each, padded to any length.
        """
        outputs = self._function(trim(packed))
        return {name: tf.convert_to_tensor(value).numpy() for name, value in outputs.items()}
