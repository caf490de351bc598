"""The in-batch loss: A's next page has to score higher than the other pages of the batch.

InfoNCE (van den Oord et al. 2018, arXiv 1807.03748) with the batch's other texts as negatives, as in multiple negatives
ranking (Henderson et al. 2017, 1705.00652), in both directions. The scores are the head's own log-odds: if exactly one
page of the batch comes next, their softmax is its probability. So there is no temperature to choose.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_negaposi.input_pipeline.feature_spec import DOCUMENTS, LABEL, Features

EXCLUDED = -1e4
"""Log-odds of a text that is no candidate; finite, so that gradients are."""

Tensors = dict[str, tf.Tensor]


def in_batch_loss(
    compare_all: Callable[[Tensors, Tensors], tf.Tensor], a: Tensors, b: Tensors, features: Features
) -> tf.Tensor:
    """Returns the loss of a batch's positive pairs in nats, ``float32 []``: the mean of both directions.

    For a positive pair, the candidates are its own B and the B of all other pairs, except pages of the documents of
    its A and its B, which might come next as well; and the same with A in place of B. With several replicas, the
    candidates are those of all replicas, and the mean of the replicas' losses is the loss of the whole batch.

    Args:
        compare_all: returns the log-odds of every A with every B; see `CacheableModel.compare_all`.
        a: the encoded A, ``[batch, ...]`` each.
        b: the encoded B.
        features: of the batch; with `DOCUMENTS` and `LABEL`, ``int32 [batch]`` each.
    """
    documents = {name: features[name] for name in DOCUMENTS}
    positive = tf.cast(features[LABEL], tf.float32)
    replicas, first = 1, 0
    all_a, all_b, all_documents, count = a, b, documents, tf.reduce_sum(positive)
    context = tf.distribute.get_replica_context()
    if context and context.num_replicas_in_sync > 1:
        replicas = context.num_replicas_in_sync
        all_a, all_b, all_documents = (_gathered(context, tensors) for tensors in (a, b, documents))
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
        first = context.replica_id_in_sync_group * tf.shape(positive)[0]
    own = first + tf.range(tf.shape(positive)[0])
    scores = compare_all(a, all_b)
    of_b = scores if replicas == 1 else compare_all(all_a, b)
    forward = _losses(scores, own, documents, all_documents[DOCUMENTS[1]])
    backward = _losses(tf.transpose(of_b), own, documents, all_documents[DOCUMENTS[0]])
    return replicas * tf.reduce_sum(positive * (forward + backward)) / 2.0 / tf.maximum(count, 1.0)


def _gathered(context: tf.distribute.ReplicaContext, tensors: Tensors) -> Tensors:
    """Concatenates the rows of all replicas, one tensor at a time: gradients of mixed types are not reduced together.

    A tensor of the input pipeline has no device; its copy is on the replica's, where it can be gathered.
    """
    return {name: context.all_gather(tf.identity(tensor), axis=0) for name, tensor in tensors.items()}


def _losses(scores: tf.Tensor, own: tf.Tensor, documents: Tensors, candidates: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of each row's own candidate, ``float32 [rows]``.

    Args:
        scores: log-odds, ``float32 [rows, candidates]``.
        own: each row's own candidate, ``int32 [rows]``.
        documents: of each row's A and B, ``int32 [rows]`` each.
        candidates: the documents of the candidates, ``int32 [candidates]``.
    """
    shares_document = tf.reduce_any([documents[name][:, tf.newaxis] == candidates for name in DOCUMENTS], axis=0)
    is_own = own[:, tf.newaxis] == tf.range(tf.shape(candidates)[0])
    scores = tf.where(shares_document & ~is_own, EXCLUDED, scores)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(own, scores)
