"""The SavedModel: one signature takes text and holds the tokenizer, one takes ids and needs no custom op.

Where B's side can be kept, three more take the work apart: ``encode_a``, ``encode_b`` and ``score``.
"""

from __future__ import annotations

from types import SimpleNamespace

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.files import staged_tree
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, SIDES, Features
from keras_negaposi.input_pipeline.packing import PairPreprocessor, trim
from keras_negaposi.modeling.heads.bi_encoder_base import CacheableModel, Side
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.serving.calibration import SMALLEST, Calibration

SERVING, IDS, SCORE, SCORE_HALF = "serving_default", "ids", "score", "score_half"
ENCODE = {side: f"encode_{side}" for side in SIDES}
ENCODE_IDS = {side: f"encode_{side}_ids" for side in SIDES}


class PairScorer(tf.Module):
    """A pair model with its tokenizer, as it is exported.

    What is saved are the signatures with the variables that they use. A Keras model as an attribute would be saved with
    functions of every layer, which makes writing and loading twice as slow.
    """

    def __init__(self, model: tf_keras.Model, preprocessor: PairPreprocessor, calibration: Calibration) -> None:
        super().__init__()
        self._untracked = SimpleNamespace(model=model)
        self.weights = list(model.variables)
        self._preprocessor = preprocessor
        self._calibration = calibration
        text = [tf.TensorSpec([None], tf.string, name) for name in ("text_a", "text_b")]
        self.ids = traced(self._score_ids, [preprocessor.layout.signature()])
        self.serving_default = traced(self._score_texts, text)

    @property
    def model(self) -> tf_keras.Model:
        """What gives the probabilities."""
        return self._untracked.model

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """By the name that they are exported under."""
        return {SERVING: self.serving_default, IDS: self.ids}

    def _score_texts(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Features:
        names = self._preprocessor.layout.inputs

        def tokenize() -> tuple[tf.Tensor, ...]:
            packed = trim(self._preprocessor(text_a, text_b))
            return tuple(packed[name] for name in names)

        # A branch (always taken) is looked into only when it runs. So a program without tensorflow_text, such as
        # saved_model_cli, can load this SavedModel and run the other signature.
        packed = tf.switch_case(tf.rank(text_a) - 1, [tokenize])
        return self.ids(dict(zip(names, packed, strict=True)))

    def _score_ids(self, inputs: Features) -> Features:
        return self._judge(self.model(inputs, training=False))

    def _judge(self, probabilities: tf.Tensor) -> Features:
        """Lays temperature and threshold on the model's probabilities."""
        if self._calibration.temperature != 1.0:
            logits = tf.math.log(tf.maximum(probabilities, SMALLEST))
            probabilities = tf.nn.softmax(logits / self._calibration.temperature)
        label = tf.cast(probabilities[:, 1] > self._calibration.threshold, tf.int32)
        return {"probabilities": probabilities, "label": label}


class CacheableScorer(PairScorer):
    """The same where B's side can be kept."""

    def __init__(self, model: CacheableModel, preprocessor: PairPreprocessor, calibration: Calibration) -> None:
        super().__init__(model, preprocessor, calibration)
        text = tf.TensorSpec([None], tf.string, "text")
        ids = [{name: tf.TensorSpec([None, None], tf.int32, name) for name in ENCODER_INPUTS}]
        self.encode_a_ids = traced(model.encode_a, ids)
        self.encode_b_ids = traced(model.encode_b, ids)
        self.encode_a = traced(lambda text: self._encode("a", text), [text])
        self.encode_b = traced(lambda text: self._encode("b", text), [text])
        sides = {
            f"{side}_{name}": tf.TensorSpec([None, *spec.shape[1:]], spec.dtype, f"{side}_{name}")
            for side in SIDES
            for name, spec in getattr(self, ENCODE[side]).get_concrete_function().structured_outputs.items()
        }
        halves = {name: _half(spec) if name.startswith("b_") else spec for name, spec in sides.items()}
        self.score = traced(self._score, [sides])
        self.score_half = traced(self._score, [halves])

    def signatures(self) -> dict[str, tf.types.experimental.PolymorphicFunction]:
        """By the name that they are exported under."""
        names = (SCORE, SCORE_HALF, *ENCODE.values(), *ENCODE_IDS.values())
        return super().signatures() | {name: getattr(self, name) for name in names}

    def _encode(self, side: str, text: tf.Tensor) -> Side:
        def tokenize() -> tuple[tf.Tensor, ...]:
            packed = trim(self._preprocessor.side(side, text))
            return tuple(packed[name] for name in ENCODER_INPUTS)

        packed = tf.switch_case(tf.rank(text) - 1, [tokenize])  # as in `_score_texts`
        return getattr(self, ENCODE_IDS[side])(dict(zip(ENCODER_INPUTS, packed, strict=True)))

    def _score(self, sides: Features) -> Features:
        a, b = (
            {name.removeprefix(f"{side}_"): value for name, value in sides.items() if name.startswith(f"{side}_")}
            for side in SIDES
        )
        return self._judge(self.model.score(a, b))


def _half(spec: tf.TensorSpec) -> tf.TensorSpec:
    return tf.TensorSpec(spec.shape, tf.float16, spec.name) if spec.dtype.is_floating else spec


def export(model: tf_keras.Model, preprocessor: PairPreprocessor, calibration: Calibration, path: str) -> None:
    """Writes a SavedModel.

    ``serving_default``: ``text_a``, ``text_b``, ``string [batch]`` each (the program must have imported
    tensorflow_text). ``ids``: the packing's inputs, ``int32 [batch, seq]`` each. Both give ``probabilities``,
    ``float32 [batch, 2]``, and ``label``, ``int32 [batch]``.

    Of a cacheable model also ``encode_a`` and ``encode_b``: ``text``, ``string [batch]``, gives that side;
    ``encode_a_ids`` and ``encode_b_ids``: `features.ENCODER_INPUTS` do; and ``score``: both sides, named with ``a_``
    and ``b_`` before, give what the first two give. A single A there is compared with every B. ``score_half`` is the
    same with B's side in float16.
    """
    scorer = (CacheableScorer if isinstance(model, CacheableModel) else PairScorer)(model, preprocessor, calibration)
    with staged_tree(path) as staging:
        tf.saved_model.save(scorer, staging, signatures=scorer.signatures())
