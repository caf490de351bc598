"""What the cacheable heads share: the encoder sees A and B apart, and a cheap comparison joins them.

Encoding is the costly half. B's is done once a page and kept (`CacheableModel.encode_b`), A's once a query
(`encode_a`); `score` joins any two.
"""

from __future__ import annotations

import tensorflow as tf
import tf_keras

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.encoder import build_encoder
from keras_negaposi.config.heads import SEPARATE
from keras_negaposi.input_pipeline.feature_spec import LAYOUTS, Features, side_of
from keras_negaposi.modeling.common import CLASSES, HEAD_DROPOUT, initializer, leave_pooler_out
from keras_negaposi.modeling.fast_layers import accelerate
from keras_negaposi.modeling.heads.layers import (
    CosineLogits,
    Projection,
    compare_in_order,
    cosine,
    masked_mean,
    running_norm,
)

Side = dict[str, tf.Tensor]
"""What is known of one text a row. ``[batch, dim]`` a page; or ``[batch, seq, dim]`` a token, and then ``mask``,
``int32 [batch, seq]``, is with it."""


class CacheableModel(tf_keras.Model):
    """Base of the heads whose B can be kept. A head says what is kept of either text, and what the two give."""

    def __init__(self, config: BertConfig, name: str) -> None:
        super().__init__(name=name)
        self.encoder = accelerate(build_encoder(config))
        leave_pooler_out(self.encoder)

    def get_config(self) -> dict[str, object]:
        """Only the name: `heads.build` makes the model, and the SavedModel is read as functions."""
        return {"name": self.name}

    def states(self, inputs: Features) -> tf.Tensor:
        """Token states of one text a row after the last layer, ``[batch, seq, hidden]``."""
        return self.encoder(inputs)["sequence_output"]

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """What the comparison needs of A."""
        raise NotImplementedError

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """What the comparison needs of B: the cache."""
        raise NotImplementedError

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """Compares row by row: ``float32 [batch, 2]``."""
        raise NotImplementedError

    def encode_a(self, inputs: Features) -> Side:
        """A's side of `features.ENCODER_INPUTS`, ``int32 [batch, seq]`` each."""
        return self.query(self.states(inputs), inputs["input_mask"])

    def encode_b(self, inputs: Features) -> Side:
        """B's side of `features.ENCODER_INPUTS`, ``int32 [batch, seq]`` each."""
        return self.key(self.states(inputs), inputs["input_mask"])

    def score(self, a: Side, b: Side) -> tf.Tensor:
        """Probabilities of kept sides, ``float32 [batch, 2]``; a single A is compared with every B."""
        rows = tf.shape(next(iter(b.values())))[0]
        a = {name: tf.repeat(value, rows // tf.shape(value)[0], axis=0) for name, value in a.items()}
        floats = {name: value if name == "mask" else tf.cast(value, tf.float32) for name, value in b.items()}
        return self.probabilities(a, floats)

    def call(self, features: Features, training: bool | None = None) -> tf.Tensor:
        """Probabilities of pairs packed apart, ``float32 [batch, 2]``."""
        a, b = self.encode_a(side_of(features, "a")), self.encode_b(side_of(features, "b"))
        return self.probabilities(a, b, bool(training))


def built(model: CacheableModel) -> CacheableModel:
    """The same, with its variables made."""
    model({name: tf.ones([1, 4], tf.int32) for name in LAYOUTS[SEPARATE].inputs})
    return model


class TokenAttention(CacheableModel):
    """A's one vector attends to B's tokens; a classifier reads query, attended value, their product and difference.

    It adds to what their cosine says, with which a run begins.

    The keys are the values too, as in both papers, so one matrix a page is kept: ``size`` numbers a token.

    Args:
        config: the encoder's architecture.
        size: of query and keys.
        tied: whether query and keys share their projection, so that only the classifier tells A from B.
        name: of the head.
    """

    def __init__(self, config: BertConfig, size: int, tied: bool, name: str) -> None:
        super().__init__(config, name)
        # The encoder's vectors share a large common part, which would hide what differs.
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
        """Scores before the softmax: ``[batch, size]`` and ``[batch, seq, size]`` -> ``[batch, seq]``."""
        raise NotImplementedError

    def query(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """The mean of A's tokens, projected: ``query [batch, size]``."""
        return {"query": self.query_projection(self.center(masked_mean(states, mask)))}

    def key(self, states: tf.Tensor, mask: tf.Tensor) -> Side:
        """B's tokens, projected: ``keys [batch, seq, size]``.

        They are centred as A's means were up to now: by their own moments padding would count.
        """
        tokens = tf.reshape(tf.cast(states, tf.float32), [-1, states.shape[-1]])
        centred = tf.reshape(self.center(tokens, training=False), tf.shape(states))
        return {"keys": self.key_projection(tf.ensure_shape(centred, states.shape)), "mask": mask}

    def probabilities(self, a: Side, b: Side, training: bool = False) -> tf.Tensor:
        """See `CacheableModel`."""
        return self.classify(a["query"], b["keys"], b["mask"])

    def classify(self, query: tf.Tensor, keys: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Attends, compares and classifies: ``float32 [batch, 2]``."""
        attended = tf.einsum("bs,bsd->bd", self.weights_of(query, keys, mask), keys)
        logits = self.comparison(self.dropout(self.standardize(compare_in_order(query, attended))))
        return tf.nn.softmax(logits + self.cosine_logits(cosine(query, attended)))

    def weights_of(self, query: tf.Tensor, keys: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """How much each token of B is attended to, ``[batch, seq]``; padding not at all."""
        scores = self.attention(query, keys)
        return tf.nn.softmax(tf.where(mask > 0, scores, scores.dtype.min), axis=1)
