"""What every pair model has: an encoder, and a classifier of two classes at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.modeling.precision import precision

CLASSES = 2
HEAD_DROPOUT = 0.1

Head = Callable[[tf.Tensor, BertConfig], tf.Tensor]
"""What classifies a vector of the pair: ``[batch, dim]`` to probabilities, ``float32 [batch, 2]``."""


def pair_head(pooled: tf.Tensor, config: BertConfig) -> tf.Tensor:
    """run_classifier.py's head: dropout, one dense layer, softmax.

    Inputs: ``[batch, hidden]``. Output: ``float32 [batch, 2]``, the probabilities of "B does not come next" and "B
    comes next".
    """
    dropped = tf_keras.layers.Dropout(HEAD_DROPOUT, name="head_dropout")(pooled)
    logits = tf_keras.layers.Dense(
        CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="classifier"
    )(dropped)
    return tf_keras.layers.Softmax(dtype=tf.float32, name="probabilities")(logits)


def initializer(config: BertConfig) -> tf_keras.initializers.Initializer:
    """BERT's, for layers that the checkpoint does not have."""
    return tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range)


def encoder_of(model: tf_keras.Model) -> tf_keras.Model:
    """The encoder within a pair model."""
    return next(layer for layer in model.layers if isinstance(layer, tf_keras.Model))


def leave_pooler_out(encoder: tf_keras.Model) -> None:
    """Takes the encoder's pooler out of the training of a model that does not use it."""
    encoder.get_layer("pooler_transform").trainable = False


def freeze(encoder: tf_keras.Model, layers: int) -> None:
    """Keeps the embeddings and the lowest ``layers`` from being trained; with 0 everything is trained."""
    if layers:
        for name in ("word_embeddings", "position_embedding", "type_embeddings", "embeddings/layer_norm"):
            encoder.get_layer(name).trainable = False
    for number in range(layers):
        encoder.get_layer(f"transformer/layer_{number}").trainable = False


@contextmanager
def resumable_dropout() -> Iterator[None]:
    """Models built in it draw their dropout from generators whose states can be kept in a checkpoint."""
    before = tf_keras.backend.experimental.is_tf_random_generator_enabled()
    tf_keras.backend.experimental.enable_tf_random_generator()
    try:
        yield
    finally:
        if not before:
            tf_keras.backend.experimental.disable_tf_random_generator()


def random_generators(model: tf_keras.Model) -> list[tf.random.Generator]:
    """Of the model's dropout layers. Keras leaves them out of checkpoints: a resumed run would draw the same again."""
    drawn = [layer._random_generator for layer in model.submodules if hasattr(layer, "_random_generator")]
    generators = [getattr(random, "_generator", None) for random in drawn]
    return [generator for generator in generators if generator is not None]


def float32_copy(model: tf_keras.Model, build: Callable[[], tf_keras.Model]) -> tf_keras.Model:
    """The same weights in a float32 model: what is evaluated and exported, whatever the training's precision.

    A bfloat16 graph is some thirty times slower on a processor that lacks the instructions.
    """
    with precision("float32"):
        copy = build()
    copy.set_weights(model.get_weights())
    return copy
