"""Scores texts with signatures that take token ids: a run's own tokenizer, and what follows the neural probabilities.

Models in 8 bits contain no tokenizer, and neither do SavedModels of runs whose tokenizer is no TensorFlow op (MeCab).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, Features
from keras_negaposi.input_pipeline.packing import PairPreprocessor, SeparatePreprocessor, make_preprocessor, trim
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.serving.calibration import saved_combination
from keras_negaposi.serving.signatures import LABEL, PROBABILITIES
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies

Outputs = dict[str, np.ndarray]
Score = Callable[[tf.Tensor, tf.Tensor], Outputs]
"""Maps texts A and B, ``string [pairs]`` each, to ``probabilities``, ``float32 [pairs, 2]``, and ``label``, ``int32
[pairs]``."""
OfIds = Callable[[Features], Outputs]
"""Computes a signature's outputs from its inputs, ``int32 [batch, seq]`` each."""


def run_preprocessor(run: str) -> PairPreprocessor:
    """Returns the tokenizer and input layout that a run was trained with.

    Raises:
        InputError: ``run`` is not the folder of a run, or its tokenizer cannot be opened.
    """
    config = saved_options(run)
    tokenizer = open_tokenizer(with_copies(config, RunFolder(run)))
    return make_preprocessor(config, tokenizer, config.layout)


def score_by_ids(run: str, score_ids: OfIds, partner: Score | None = None) -> Score:
    """Returns a function that scores texts as the SavedModel's signature for texts does.

    Args:
        run: folder of a finished run.
        score_ids: the signature for token ids.
        partner: scores with the partner run, if there is one.

    Raises:
        InputError: a file of the run cannot be used.
    """
    preprocessor = run_preprocessor(run)
    calibration, lexical = saved_combination(RunFolder(run))

    def score(text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
        packed = preprocessor.traced(text_a, text_b)
        scored = score_ids({name: packed[name] for name in preprocessor.layout.inputs})
        if not (calibration.hybrid and lexical):
            return scored
        a, b = ([text.decode() for text in side.numpy()] for side in (text_a, text_b))
        other = partner(text_a, text_b)[PROBABILITIES][:, 1] if partner else None
        combined = calibration.hybrid.combine(scored[PROBABILITIES][:, 1], lexical.logits_of_texts(a, b), other)
        labels = (combined > calibration.decision_threshold).astype(np.int32)
        return {PROBABILITIES: np.stack([1 - combined, combined], 1), LABEL: labels}

    return score


def encode_by_ids(run: str, side: str, encode_ids: OfIds) -> Callable[[tf.Tensor], Outputs]:
    """Returns a function that encodes texts, ``string [texts]``, as side ``"a"`` or ``"b"``.

    Args:
        run: folder of a finished run of a bi-encoder.
        side: ``"a"`` or ``"b"``.
        encode_ids: that side's signature for token ids.

    Raises:
        InputError: a file of the run cannot be used.
    """
    preprocessor = run_preprocessor(run)
    if not isinstance(preprocessor, SeparatePreprocessor):
        raise TypeError(f"a bi-encoder needs a {SeparatePreprocessor.__name__}")
    pack_side = preprocessor.side
    pack = traced(lambda text: pack_side(side, text), [tf.TensorSpec([None], tf.string)])

    def encode(text: tf.Tensor) -> Outputs:
        packed = pack(text)
        return encode_ids({name: packed[name] for name in ENCODER_INPUTS})

    return encode


def in_float32(signature: Callable[..., Mapping[str, tf.Tensor]]) -> OfIds:
    """Returns a SavedModel's signature for token ids, without the padding that no row needs."""
    return lambda packed: {name: value.numpy() for name, value in signature(**trim(packed)).items()}
