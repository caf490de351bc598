"""Recall on the dev part: how often the true page is among those that score highest. It judges a training for ranking.

All candidates are compared, as the in-batch loss does within a batch.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tf_keras

from keras_negaposi.config.dev_evaluation import RECALL_AT
from keras_negaposi.data.documents import numbered
from keras_negaposi.input_pipeline.datasets import eval_dataset
from keras_negaposi.input_pipeline.feature_spec import INDEX, LABEL, side_of
from keras_negaposi.training.training_setup import TrainingSetup


class DevRecall:
    """Measures the recall of a model with the weights that it has when it is called.

    Args:
        model: a `CacheableModel` on the host.
        setup: of the run, with `TrainingSetup.dev_documents`.
    """

    def __init__(self, model: tf_keras.Model, setup: TrainingSetup) -> None:
        self._dataset = eval_dataset(setup.records, "dev", setup.config.eval_batch_size)
        assert setup.dev_documents is not None
        self._documents = numbered(setup.dev_documents)
        self._encode_a = tf.function(lambda features: model.encode_a(side_of(features, "a")), reduce_retracing=True)
        self._encode_b = tf.function(lambda features: model.encode_b(side_of(features, "b")), reduce_retracing=True)
        self._compare = tf.function(model.compare_all, reduce_retracing=True)

    def __call__(self) -> float:
        """Returns the share of the positive pairs whose B is found; see `recall_at`."""
        # Batches may differ in length, so they are compared with each other one by one.
        batches = list(self._dataset)
        encoded_b = [self._encode_b(features) for features in batches]
        scores = []
        for features in batches:
            a = self._encode_a(features)
            scores.append(np.concatenate([self._compare(a, b).numpy() for b in encoded_b], axis=1))
        rows, labels = (np.concatenate([batch[name].numpy() for batch in batches]) for name in (INDEX, LABEL))
        places = np.flatnonzero(rows >= 0)  # the others fill the last batch
        order = places[np.argsort(rows[places])]
        return recall_at(RECALL_AT, np.concatenate(scores)[np.ix_(order, order)], labels[order], self._documents)


def recall_at(count: int, scores: np.ndarray, labels: np.ndarray, documents: np.ndarray) -> float:
    """Returns the share of the positive pairs whose own B is among the ``count`` best of all B; ties count against it.

    Other pages of the documents of its A and its B are left out, because they might come next as well.

    Args:
        count: of the best B that count.
        scores: of every A, in rows, with every B, ``float [pairs, pairs]``.
        labels: ``int [pairs]``; at least one pair is positive.
        documents: numbers of the documents of A and B of each pair, ``int [pairs, 2]``.
    """
    own = np.diag(scores)[:, np.newaxis]
    may_come_next = (documents[:, :, np.newaxis] == documents[np.newaxis, np.newaxis, :, 1]).any(axis=1)
    better = ((scores >= own) & ~may_come_next).sum(axis=1)
    return float((better[labels == 1] < count).mean())
