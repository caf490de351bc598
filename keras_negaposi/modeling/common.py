"""What all pair models share: the encoder's settings, the classifier, dropout, and a float32 copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.precision import precision

CLASSES = 2
HEAD_DROPOUT = 0.1
EMBEDDINGS = ("word_embeddings", "position_embedding", "type_embeddings", "embeddings/layer_norm")
"""The encoder's layers with weights below its transformer layers."""

Classifier = Callable[[tf.Tensor, BertConfig], tf.Tensor]
"""Classifies one vector per pair: ``[batch, dim]`` -> probabilities, ``float32 [batch, 2]``."""


def pair_classifier(pooled: tf.Tensor, config: BertConfig) -> tf.Tensor:
    """Classifies as run_classifier.py does: dropout, one dense layer, softmax.

    Args:
        pooled: one vector per pair, ``[batch, hidden]``.
        config: architecture of the encoder.

    Returns:
        Probabilities of "B does not come next" and "B comes next", ``float32 [batch, 2]``.
    """
    dropped = tf_keras.layers.Dropout(HEAD_DROPOUT, name="head_dropout")(pooled)
    logits = tf_keras.layers.Dense(
        CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="classifier"
    )(dropped)
    return tf_keras.layers.Softmax(dtype=tf.float32, name="probabilities")(logits)


def initializer(config: BertConfig) -> tf_keras.initializers.Initializer:
    """Returns BERT's initializer, for layers that the checkpoint does not contain."""
    return tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)


def encoder_of(model: tf_keras.Model) -> tf_keras.Model:
    """Returns the encoder inside a pair model."""
    return next(layer for layer in model.layers if isinstance(layer, tf_keras.Model))


def leave_pooler_out(encoder: tf_keras.Model) -> None:
    """Excludes the encoder's pooler from training, for a model that does not use it."""
    encoder.get_layer("pooler_transform").trainable = False


def freeze(encoder: tf_keras.Model, layers: int) -> None:
    """Excludes the embeddings and the lowest ``layers`` layers from training; with 0, everything is trained.

    There is no dropout in them: they would only give the layers above noisier inputs than those of inference.
    """
    if not layers:
        return
    names = [*EMBEDDINGS, *(f"transformer/layer_{number}" for number in range(layers))]
    for layer in [*map(encoder.get_layer, names), *filter(_is_dropout, encoder.layers)]:
        layer.trainable = False
        leave_dropout_out(layer)


def leave_dropout_out(layer: tf_keras.layers.Layer) -> None:
    """Turns off all dropout in a layer or model."""
    for dropout in filter(_is_dropout, (layer, *layer.submodules)):
        dropout.rate = 0.0


def _is_dropout(layer: tf.Module) -> bool:
    return isinstance(layer, tf_keras.layers.Dropout)


@contextmanager
def resumable_dropout() -> Iterator[None]:
    """Lets the models built within use random generators for dropout whose states a checkpoint can store."""
    before = tf_keras.backend.experimental.is_tf_random_generator_enabled()
    tf_keras.backend.experimental.enable_tf_random_generator()
    try:
        yield
    finally:
        if not before:
            tf_keras.backend.experimental.disable_tf_random_generator()


def random_generators(model: tf_keras.Model) -> list[tf.random.Generator]:
    """Returns the random generators of the model's dropout layers.

    Keras omits them from checkpoints, so a resumed run would repeat the same dropout masks.
    """
    sources = [layer._random_generator for layer in model.submodules if hasattr(layer, "_random_generator")]
    generators = [getattr(source, "_generator", None) for source in sources]
    return [generator for generator in generators if generator is not None]


def float32_copy(model: tf_keras.Model, build: Callable[[], tf_keras.Model]) -> tf_keras.Model:
    """Returns a float32 model with the same weights, for evaluation and export.

    A bfloat16 graph is about thirty times slower on a processor without bfloat16 instructions.
    """
    return copy_in("float32", model, build)


def copy_in(name: str, model: tf_keras.Model, build: Callable[[], tf_keras.Model]) -> tf_keras.Model:
    """Returns a model with the same weights that computes in ``float32`` or ``bfloat16``."""
    with precision(name):
        copy = build()
    copy.set_weights(model.get_weights())
    return copy
