"""A finished run whose B can be kept, loaded from its SavedModel: encodes either side, and scores what is kept."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_bytes, read_digest
from checkpoints_tools.saved_model import find_signature, load_saved_model
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.modeling.heads import HEADS, is_cacheable
from keras_negaposi.retrieval.segment import Rows
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import read_saved, saved_config
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.export import ENCODE, ENCODE_IDS, SCORE, SCORE_HALF

SCORERS = {"float32": SCORE, "float16": SCORE_HALF}
IN_FINGERPRINT = ("head", "max_seq_length", "truncate_a", "do_lower_case")


class CachedScorer:
    """Encodes texts and scores kept sides.

    Args:
        run: a finished run's folder.
        precision: ``float32``, or ``int8`` for `encode`.

    Raises:
        InputError: it is none, or nothing of its head's B can be kept.
    """

    def __init__(self, run: str, precision: str = "float32") -> None:
        self.config = saved_config(run)
        self.head = str(self.config.get("head", "pair"))
        self._run = run
        if not is_cacheable(self.head):
            heads = ", ".join(name for name in HEADS if is_cacheable(name))
            raise InputError(
                f"{run}: its head is {self.head}, of whose B nothing can be kept; train with --head, one of {heads}"
            )
        self.threshold = saved_calibration(RunFolder(run)).threshold
        self._precision = precision
        self._encoders: dict[str, Callable[[tf.Tensor], Rows]] = {}

    @functools.cached_property
    def _loaded(self) -> tf.Module:
        return load_saved_model(RunFolder(self._run).saved_model)

    def _signature(self, name: str) -> Callable[..., dict[str, tf.Tensor]]:
        return find_signature(self._loaded, name, RunFolder(self._run).saved_model)

    def prepare(self, side: str) -> Callable[[tf.Tensor], Rows]:
        """Loads what encodes a side, once.

        Raises:
            InputError: it cannot be loaded.
        """
        if side not in self._encoders:
            self._encoders[side] = _in_int8(self._run, side) if self._precision == "int8" else self._in_float32(side)
        return self._encoders[side]

    def _in_float32(self, side: str) -> Callable[[tf.Tensor], Rows]:
        signature = self._signature(ENCODE[side])
        return lambda text: {name: value.numpy() for name, value in signature(text=text).items()}

    def fingerprint(self, dtype: str, precision: str = "float32") -> dict[str, str]:
        """What an index of this model depends on, by the name to give when it differs."""
        folder = RunFolder(self._run)
        tokenizer = read_bytes(folder.sentencepiece_model) + read_bytes(folder.vocabulary)
        saved = read_saved(self._run).config  # without the defaults of what an older version did not have
        options = {name: str(saved.get(name)) for name in IN_FINGERPRINT}
        found = {
            "weights": read_digest(folder.weights).hex()[:16],
            "tokenizer": hashlib.sha256(tokenizer).hexdigest()[:16],
            "dtype": dtype,
        }
        return found | {"precision": precision} | options

    def encode(self, side: str, texts: Sequence[str]) -> Rows:
        """Side ``"a"`` or ``"b"`` of texts: what `heads.cacheable.CacheableModel` keeps, as arrays."""
        return self.prepare(side)(tf.constant(list(texts)))

    def score(self, a: Rows, b: Rows) -> np.ndarray:
        """Probability that B comes next, ``float32 [rows of b]``; ``a`` has one row, or as many.

        ``b`` may be kept in float16.
        """
        dtype = next(value.dtype.name for name, value in b.items() if name != "mask")
        sides = {f"a_{name}": tf.constant(value) for name, value in a.items()}
        sides |= {f"b_{name}": tf.constant(value) for name, value in b.items()}
        return self._signature(SCORERS[dtype])(**sides)["probabilities"].numpy()[:, 1]


def _in_int8(run: str, side: str) -> Callable[[tf.Tensor], Rows]:
    from keras_negaposi.serving.int8 import Quantized, run_preprocessor

    preprocessor, encode = run_preprocessor(run), Quantized(run, ENCODE_IDS[side])
    pack = traced(lambda text: preprocessor.side(side, text), [tf.TensorSpec([None], tf.string)])

    def encode_texts(text: tf.Tensor) -> Rows:
        packed = pack(text)
        return encode({name: packed[name] for name in ENCODER_INPUTS})

    return encode_texts
