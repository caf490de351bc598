"""Scores texts with signatures that take token ids: a run's own tokenizer, and what follows the neural probabilities.

Models in 8 bits contain no tokenizer, and neither do SavedModels of runs whose tokenizer is no TensorFlow op (MeCab).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from checkpoints_tools.saved_model import find_signature
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, Features
from keras_negaposi.input_pipeline.packing import PairPreprocessor, SeparatePreprocessor, make_preprocessor, trim
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.serving.calibration import saved_combination
from keras_negaposi.serving.signatures import ENCODE_IDS, ENCODE_TEXTS, LABEL, PROBABILITIES, TEXT, takes_texts
from keras_negaposi.tokenizers.opening import open_tokenizer, with_copies

Outputs = dict[str, np.ndarray]
Score = Callable[[tf.Tensor, tf.Tensor], Outputs]
"""Maps texts A and B, ``string [pairs]`` each, to ``probabilities``, ``float32 [pairs, 2]``, and ``label``, ``int32
[pairs]``."""
EncodeSide = Callable[[tf.Tensor], Outputs]
"""Maps texts, ``string [texts]``, to their tensors."""
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

    def score(text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
        packed = preprocessor.traced(text_a, text_b)
        return score_ids({name: packed[name] for name in preprocessor.layout.inputs})

    return with_lexical(run, score, partner)


def with_lexical(run: str, score: Score, partner: Score | None = None) -> Score:
    """Returns a function that also knows what a hybrid run's lexical model and its partner say; of others ``score``.

    Args:
        run: folder of a finished run.
        score: scores texts with the run's model alone.
        partner: scores with the partner run, if there is one.

    Raises:
        InputError: a file of the run cannot be used.
    """
    calibration, lexical = saved_combination(RunFolder(run))
    hybrid = calibration.combination if partner else calibration.hybrid
    if hybrid is None or lexical is None:
        return score

    def combine(text_a: tf.Tensor, text_b: tf.Tensor) -> Outputs:
        a, b = ([text.decode() for text in side.numpy()] for side in (text_a, text_b))
        other = partner(text_a, text_b)[PROBABILITIES][:, 1] if partner else None
        scored = score(text_a, text_b)[PROBABILITIES][:, 1]
        combined = hybrid.combine(scored, lexical.logits_of_texts(a, b), other)
        labels = (combined > calibration.decision_threshold).astype(np.int32)
        return {PROBABILITIES: np.stack([1 - combined, combined], 1), LABEL: labels}

    return combine


def load_side(run: str, loaded: tf.Module, side: str) -> EncodeSide:
    """Returns a function that encodes texts as side ``"a"`` or ``"b"`` with a bi-encoder's SavedModel.

    Raises:
        InputError: the SavedModel cannot encode that side, or a file of the run cannot be used.
    """
    folder = RunFolder(run).saved_model
    if not takes_texts(loaded):
        return encode_by_ids(run, side, in_float32(find_signature(loaded, ENCODE_IDS[side], folder)))
    signature = find_signature(loaded, ENCODE_TEXTS[side], folder)
    return lambda text: {name: value.numpy() for name, value in signature(**{TEXT: text}).items()}


def encode_by_ids(run: str, side: str, encode_ids: OfIds) -> EncodeSide:
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
