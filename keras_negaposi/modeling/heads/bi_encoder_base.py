"""Base of the heads that encode A and B separately, and join them by a cheap comparison.

Encoding is the expensive part. B is encoded once per page and cached (`CacheableModel.encode_b`), A once per query
(`encode_a`); `score` compares any two.
"""

from __future__ import annotations

from typing import TypeVar

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from keras_negaposi.config.heads import SEPARATE
from keras_negaposi.input_pipeline.feature_spec import DOCUMENTS, LAYOUTS, MASK_INPUT, Features, side_of
from keras_negaposi.modeling.common import CLASSES, HEAD_DROPOUT, initializer
from keras_negaposi.modeling.heads.encoder_model import EncoderModel
from keras_negaposi.modeling.heads.in_batch_loss import in_batch_loss
from keras_negaposi.modeling.heads.layers import (
    CosineLogits,
    Projection,
    compare_in_order,
    cosine,
    masked_mean,
    running_norm,
)
from keras_negaposi.modeling.heads.tensor_names import KEYS, MASK, QUERY
from keras_negaposi.modeling.start import Sample, Values, means_of, moments

Side = dict[str, tf.Tensor]
"""Tensors of one text per row, by a name of `tensor_names`: ``[batch, dim]``; or per token, ``[batch, seq, dim]``, and
then also `MASK`, ``int32 [batch, seq]``."""


LEAST_PROBABILITY = 1e-30
"""Keeps log-odds finite in float32."""


class CacheableModel(EncoderModel):
    """Base of the heads whose B can be cached. A head defines `query`, `key` and `probabilities`.

    Args:
        config: architecture of the encoder.
        name: name of the head.
    """

    def states(self, inputs: Features) -> tf.Tensor:
        """Returns the hidden states of one text per row after the last layer, ``[batch, seq, hidden]``."""
        return self.encoder(inputs)["sequence_output"]

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns the tensors of A that the comparison needs."""
        raise NotImplementedError

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns the tensors of B that the comparison needs, which are cached."""
        raise NotImplementedError

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Compares A and B row by row: ``float32 [batch, 2]``."""
        raise NotImplementedError

    def encode_a(self, inputs: Features) -> Side:
        """Encodes A from `feature_spec.ENCODER_INPUTS`, ``int32 [batch, seq]`` each."""
        return self.query(self.states(inputs), inputs[MASK_INPUT])

    def encode_b(self, inputs: Features) -> Side:
        """Encodes B from `feature_spec.ENCODER_INPUTS`, ``int32 [batch, seq]`` each."""
        return self.key(self.states(inputs), inputs[MASK_INPUT])

    def score(self, a: Side, b: Side) -> tf.Tensor:
        """Returns the probabilities of cached sides, ``float32 [batch, 2]``; a single A is compared with every B."""
        rows = tf.shape(next(iter(b.values())))[0]
        a = {name: tf.repeat(value, rows // tf.shape(value)[0], axis=0) for name, value in a.items()}
        floats = {name: value if name == MASK else tf.cast(value, tf.float32) for name, value in b.items()}
        return self.probabilities(a, floats)

    def compare_all(self, a: Side, b: Side) -> tf.Tensor:
        """Returns the log-odds that B comes next for every A with every B, ``float32 [batch of A, batch of B]``."""
        rows_a, rows_b = (tf.shape(next(iter(side.values())))[0] for side in (a, b))
        every_a = {name: tf.repeat(value, rows_b, axis=0) for name, value in a.items()}
        every_b = {name: tf.tile(value, [rows_a, *[1] * (value.shape.rank - 1)]) for name, value in b.items()}
        logs = tf.math.log(tf.maximum(self.probabilities(every_a, every_b, training=True), LEAST_PROBABILITY))
        return tf.reshape(logs[:, 1] - logs[:, 0], [rows_a, rows_b])

    def call(self, features: Features, training: bool | None = None) -> tf.Tensor:
        """Returns the probabilities of pairs in the separate layout, ``float32 [batch, 2]``.

        In a training whose features contain `feature_spec.DOCUMENTS`, it adds the in-batch loss.
        """
        a, b = self.encode_a(side_of(features, "a")), self.encode_b(side_of(features, "b"))
        if training and DOCUMENTS[0] in features:
            self.add_loss(in_batch_loss(self.compare_all, a, b, features))
        return self.probabilities(a, b, bool(training))


Model = TypeVar("Model", bound=CacheableModel)


def built(model: Model) -> Model:
    """Calls the model once, so that its variables exist, and returns it."""
    model({name: tf.ones([1, 4], tf.int32) for name in LAYOUTS[SEPARATE].inputs})
    return model


class TokenAttention(CacheableModel):
    """A's query attends to B's tokens; a classifier reads query, attended value, their product and difference.

    Its logits are added to those of the cosine of query and attended value, from which training starts.

    The keys are also the values, as in both papers, so one matrix per page is cached: ``size`` numbers per token.

    Args:
        config: architecture of the encoder.
        size: size of query and keys.
        tied: whether query and keys share their projection, so that only the classifier distinguishes A from B.
        name: name of the head.
    """

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str) -> None:
        super().__init__(config, name)
        # The encoder's embeddings share a large common component, which would hide their differences.
        self.center = running_norm("center")
        self.query_projection = Projection(size, "query")
        self.key_projection = self.query_projection if tied else Projection(size, "key")
        self.cosine_logits = CosineLogits()
        self.standardize = running_norm("standardize")
        self.dropout = tf_keras.layers.Dropout(HEAD_DROPOUT, dtype=tf.float32)
        self.comparison = tf_keras.layers.Dense(
            CLASSES, kernel_initializer=initializer(config), dtype=tf.float32, name="comparison"
        )

    def attention(self, query: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
        """Returns the scores before the softmax: ``[batch, size]`` and ``[batch, seq, size]`` -> ``[batch, seq]``."""
        raise NotImplementedError

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns the projected mean of A's tokens: ``query [batch, size]``."""
        return {QUERY: self.query_projection(self.center(masked_mean(states, mask)))}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """Returns B's projected tokens: ``keys [batch, seq, size]``.

        They are centred by the running moments of A's means, because moments of their own would include padding.
        """
        tokens = tf.reshape(tf.cast(states, tf.float32), [-1, states.shape[-1]])
        centred = tf.reshape(self.center(tokens, training=False), tf.shape(states))
        return {KEYS: self.key_projection(tf.ensure_shape(centred, states.shape)), MASK: mask}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Compares A and B row by row: ``float32 [batch, 2]``."""
        return self.classify(a[QUERY], b[KEYS], b[MASK])

    def classify(self, query: tf.Tensor, keys: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Attends, compares and classifies: ``float32 [batch, 2]``."""
        attended = tf.einsum("bs,bsd->bd", self.weights_of(query, keys, mask), keys)
        logits = self.comparison(self.dropout(self.standardize(compare_in_order(query, attended))))
        return tf.nn.softmax(logits + self.cosine_logits(cosine(query, attended)))

    def start(self, sample: Sample) -> Values:
        """Returns the running moments of A's means, so that keys are centred from the first step."""
        return moments(self.center, means_of(sample.a))

    def weights_of(self, query: tf.Tensor, keys: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Returns the attention weights of B's tokens, ``[batch, seq]``; those of padding are 0."""
        scores = self.attention(query, keys)
        return tf.nn.softmax(tf.where(mask > 0, scores, scores.dtype.min), axis=1)
