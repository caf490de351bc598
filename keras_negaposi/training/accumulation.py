"""Gradient accumulation: the pairs of a step are computed in parts, one after the other, which needs less memory."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tf_keras

from keras_negaposi.input_pipeline.feature_spec import Features
from keras_negaposi.modeling.common import encoder_of

Batch = tuple[Features, tf.Tensor]


def accumulate_gradients(model: tf_keras.Model, parts: int) -> None:
    """Makes ``model.fit`` compute each device's batch in equal parts, and update the weights once with their mean.

    Up to rounding, a step does what it does with the whole batch, but dropout draws other masks.

    Args:
        model: compiled; its loss is a mean over pairs, so not the in-batch loss.
        parts: number of parts, by which the pairs of each device can be divided.
    """
    variables = model.trainable_variables
    embeddings = encoder_of(model).get_embedding_table().ref()

    def train_step(batch: Batch) -> dict[str, tf.Tensor]:
        by_part = tf.nest.map_structure(_in_parts, batch)
        unused: set[int] = set()

        def add_part(number: tf.Tensor, totals: list[_Total]) -> tuple[tf.Tensor, list[_Total]]:
            features, labels = tf.nest.map_structure(lambda tensor: tensor[number], by_part)
            with tf.GradientTape() as tape:
                loss = model.compute_loss(features, labels, predictions := model(features, training=True))
            gradients = tape.gradient(loss, variables)
            model.compiled_metrics.update_state(labels, predictions)
            unused.update(place for place, gradient in enumerate(gradients) if gradient is None)
            return number + 1, [
                _plus(total, number, gradient) for total, gradient in zip(totals, gradients, strict=True)
            ]

        _, totals = tf.while_loop(
            lambda number, _: number < parts,
            add_part,
            (tf.constant(0), [_nothing(variable, parts, variable.ref() == embeddings) for variable in variables]),
            parallel_iterations=1,
            maximum_iterations=parts,
        )
        means = [
            (None if place in unused else _mean(total, parts, variable), variable)
            for place, (total, variable) in enumerate(zip(totals, variables, strict=True))
        ]
        model.optimizer.apply_gradients(means)
        return model.get_metrics_result()

    def _in_parts(tensor: tf.Tensor) -> tf.Tensor:
        """Reshapes ``[pairs, ...]`` to ``[parts, pairs of a part, ...]``."""
        known = [-1 if size is None else size for size in tensor.shape[1:]]
        rest = known if known.count(-1) == 0 else tf.unstack(tf.shape(tensor))[1:]
        return tf.reshape(tensor, [parts, tensor.shape[0] // parts if tensor.shape[0] else -1, *rest])

    model.train_step = train_step


_Total = Any  # tf.Tensor | tuple[tf.TensorArray, tf.TensorArray]
"""A sum of gradients. Of word embeddings the rows of all parts and their numbers, as TensorFlow has them for a whole
batch: gradients are clipped by the norm of these rows, before those of the same word are added."""


def _nothing(variable: tf.Variable, parts: int, has_rows: bool) -> _Total:
    if not has_rows:
        return tf.zeros_like(variable)
    rows = tf.TensorArray(variable.dtype, parts, element_shape=[None, variable.shape[1]])
    return rows, tf.TensorArray(tf.int32, parts, element_shape=[None])


def _plus(total: _Total, number: tf.Tensor, gradient: tf.Tensor | tf.IndexedSlices | None) -> _Total:
    if gradient is None:
        return total
    if isinstance(total, tuple):
        rows, numbers = total
        return rows.write(number, gradient.values), numbers.write(number, tf.cast(gradient.indices, tf.int32))
    return total + tf.convert_to_tensor(gradient)


def _mean(total: _Total, parts: int, variable: tf.Variable) -> tf.Tensor | tf.IndexedSlices:
    if isinstance(total, tuple):
        rows, numbers = total
        return tf.IndexedSlices(rows.concat() / parts, numbers.concat(), tf.constant(variable.shape.as_list()))
    return total / parts
