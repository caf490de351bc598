"""The SavedModel: one signature takes text and holds the tokenizer, one takes ids and needs no custom op."""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from keras_negaposi.calibration import SMALLEST, Calibration
from keras_negaposi.features import MODEL_INPUTS, Features, PairPacker, input_signature


class PairScorer(tf.Module):
    """A classifier with its tokenizer, as it is exported."""

    def __init__(self, model: tf_keras.Model, packer: PairPacker, calibration: Calibration) -> None:
        super().__init__()
        self.model = model
        self.table = packer.tokenizer.table  # tracked, so that it is saved
        self._packer = packer
        self._calibration = calibration
        text = [tf.TensorSpec([None], tf.string, name) for name in ("text_a", "text_b")]
        self.serving_default = tf.function(self._score_texts, input_signature=text)
        self.ids = tf.function(self._score_ids, input_signature=list(input_signature().values()))

    def _score_texts(self, text_a: tf.Tensor, text_b: tf.Tensor) -> Features:
        def tokenize() -> tuple[tf.Tensor, ...]:
            packed = self._packer(text_a, text_b)
            return tuple(packed[feature.name] for feature in MODEL_INPUTS)

        # A branch (always taken) is looked into only when it runs. So a program without tensorflow_text, such as
        # saved_model_cli, can load this SavedModel and run the other signature.
        packed = tf.switch_case(tf.rank(text_a) - 1, [tokenize])
        return self._score_ids(*packed)

    def _score_ids(self, input_word_ids: tf.Tensor, input_mask: tf.Tensor, input_type_ids: tf.Tensor) -> Features:
        values = (input_word_ids, input_mask, input_type_ids)
        inputs = {feature.name: value for feature, value in zip(MODEL_INPUTS, values, strict=True)}
        probabilities = self.model(inputs, training=False)
        if self._calibration.temperature != 1.0:
            logits = tf.math.log(tf.maximum(probabilities, SMALLEST))
            probabilities = tf.nn.softmax(logits / self._calibration.temperature)
        label = tf.cast(probabilities[:, 1] > self._calibration.threshold, tf.int32)
        return {"probabilities": probabilities, "label": label}


def export(model: tf_keras.Model, packer: PairPacker, calibration: Calibration, path: str) -> None:
    """Writes a SavedModel with two signatures.

    ``serving_default``: ``text_a``, ``text_b``, ``string [batch]`` each (the program must have imported
    tensorflow_text). ``ids``: ``input_word_ids``, ``input_mask``, ``input_type_ids``, ``int32 [batch, seq]`` each.
    Both give ``probabilities``, ``float32 [batch, 2]``, and ``label``, ``int32 [batch]``.
    """
    scorer = PairScorer(model, packer, calibration)
    tf.saved_model.save(scorer, path, signatures={"serving_default": scorer.serving_default, "ids": scorer.ids})
