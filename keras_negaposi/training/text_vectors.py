"""Vectors of texts by a bi-encoder: each text is encoded once per side, or only once where both sides are equal."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config.heads import SIDES
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, Features
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor, trim
from keras_negaposi.modeling.heads.bi_encoder import BiEncoder
from keras_negaposi.modeling.heads.tensor_names import VECTOR
from keras_negaposi.runtime.tf_functions import traced


class TextVectors:
    """Encodes texts, and remembers their vectors.

    Args:
        model: the bi-encoder.
        preprocessor: its tokenizer and input layout.
        batch_size: texts per step.
    """

    def __init__(self, model: BiEncoder, preprocessor: SeparatePreprocessor, batch_size: int) -> None:
        self._preprocessor, self._batch_size = preprocessor, batch_size
        self._known: dict[str, dict[str, np.ndarray]] = {side: {} for side in SIDES}
        kernels = [layer.kernel.numpy() for layer in (model.query_projection, model.key_projection)]
        same_inputs = preprocessor.prefix_a == preprocessor.prefix_b and preprocessor.tokenizer.token_types == 1
        self._sides_are_equal = same_inputs and np.array_equal(*kernels)
        self._encode = {side: _encoder(model, preprocessor, side) for side in SIDES}

    def of(self, side: str, texts: Sequence[str]) -> np.ndarray:
        """Returns the vectors of texts as ``"a"`` or ``"b"``, of length 1, ``float32 [texts, size]``."""
        known = self._known[side]
        new = sorted({text for text in texts if text not in known}, key=lambda text: (len(text), text))
        if self._sides_are_equal:
            (other,) = (self._known[name] for name in SIDES if name != side)
            shared = [text for text in new if text in other]
            lengths = [len(ids) for ids in self._preprocessor.tokenizer.encode_arrays(shared)]
            longest = min(self._preprocessor.room)  # texts that are cut are not cut at the same end
            known |= {text: other[text] for text, length in zip(shared, lengths, strict=True) if length <= longest}
            new = [text for text in new if text not in known]
        tick = Ticker(f"encoding texts as {side.upper()}", len(new))
        for start in range(0, len(new), self._batch_size):
            some = new[start : start + self._batch_size]
            known |= zip(some, self._encode[side](tf.constant(some)).numpy(), strict=True)
            tick(start + len(some))
        return np.stack([known[text] for text in texts])


def _encoder(
    model: BiEncoder, preprocessor: SeparatePreprocessor, side: str
) -> tf.types.experimental.PolymorphicFunction:
    """Returns a function that encodes texts as a side: ``string [texts]`` -> ``float32 [texts, size]``."""

    def encode(inputs: Features) -> tf.Tensor:
        return (model.encode_a if side == "a" else model.encode_b)(inputs)[VECTOR]

    pack = traced(functools.partial(preprocessor.side, side), [tf.TensorSpec([None], tf.string)])
    of_ids = traced(encode, [{name: tf.TensorSpec([None, None], tf.int32, name) for name in ENCODER_INPUTS}])

    def of_texts(texts: tf.Tensor) -> tf.Tensor:
        packed = trim(pack(texts))
        return of_ids({name: packed[name] for name in ENCODER_INPUTS})

    return of_texts
