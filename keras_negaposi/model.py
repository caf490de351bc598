"""The pair classifier: a BERT encoder that sees ``[CLS] A [SEP] B [SEP]``, and a head on its pooled output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras

from checkpoints_tools.config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.features import MODEL_INPUTS

CLASSES = 2
HEAD_DROPOUT = 0.1

Head = Callable[[tf.Tensor, BertConfig], tf.Tensor]


def pair_head(pooled: tf.Tensor, config: BertConfig) -> tf.Tensor:
    """run_classifier.py's head: dropout, one dense layer, softmax.

    Inputs: ``[batch, hidden]``. Output: ``float32 [batch, 2]``, the probabilities of "B does not come next" and "B
    comes next".
    """
    dropped = tf_keras.layers.Dropout(HEAD_DROPOUT, name="head_dropout")(pooled)
    logits = tf_keras.layers.Dense(
        CLASSES,
        kernel_initializer=tf_keras.initializers.TruncatedNormal(stddev=config.initializer_range),
        dtype=tf.float32,
        name="classifier",
    )(dropped)
    return tf_keras.layers.Softmax(dtype=tf.float32, name="probabilities")(logits)


def build_classifier(config: BertConfig, head: Head = pair_head) -> tf_keras.Model:
    """A freshly initialised classifier; its encoder is the layer ``encoder``.

    Inputs are a dict of ``input_word_ids``, ``input_mask`` and ``input_type_ids``, ``int32 [batch, seq]`` each; the
    output is the head's. Another head is another function of the pooled output.
    """
    inputs = {feature.name: tf_keras.Input([None], dtype=tf.int32, name=feature.name) for feature in MODEL_INPUTS}
    encoder = build_encoder(config)
    return tf_keras.Model(inputs, head(encoder(inputs)["pooled_output"], config), name="pair_classifier")


def encoder_of(model: tf_keras.Model) -> tf_keras.Model:
    """The encoder within a classifier."""
    return next(layer for layer in model.layers if isinstance(layer, tf_keras.Model))


def float32_copy(model: tf_keras.Model, config: BertConfig, head: Head = pair_head) -> tf_keras.Model:
    """The same weights in a float32 model: what is evaluated and exported, whatever the training's precision.

    A bfloat16 graph is some thirty times slower on a processor that lacks the instructions.
    """
    with precision("float32"):
        copy = build_classifier(config, head)
    copy.set_weights(model.get_weights())
    return copy


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Layers made within compute in ``float32`` or ``bfloat16``; variables stay float32."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16" if name == "bfloat16" else name)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def choose_precision(wanted: str) -> str:
    """``bfloat16`` or ``float32``; ``auto`` is bfloat16 where this machine computes with it natively."""
    if wanted != "auto":
        return wanted
    if tf.config.list_logical_devices("TPU"):
        return "bfloat16"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "bfloat16" if capability >= (8, 0) else "float32"
    return "bfloat16" if _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = set(file.read().split())
    except OSError:  # not Linux
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})
