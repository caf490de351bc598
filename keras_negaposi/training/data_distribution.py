"""Divides each global batch among the devices of a `tf.distribute` strategy."""

from __future__ import annotations

import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from keras_negaposi.input_pipeline.feature_spec import Features


def check_batch(strategy: tf.distribute.Strategy, batch_size: int, parts: int = 1) -> None:
    """Checks that the global batch can be divided evenly among the devices, and each device's share into parts.

    Raises:
        InputError: it cannot; the message suggests batch sizes that can.
    """
    devices = strategy.num_replicas_in_sync
    shares = devices * parts
    if batch_size % shares:
        less, more = batch_size // shares * shares, -(-batch_size // shares) * shares
        either = f"{less} or {more}" if less else str(more)
        among = f"among {devices} devices" if parts == 1 else f"into {shares} parts (devices times --accumulate)"
        raise InputError(f"--train_batch_size {batch_size}: cannot be divided evenly {among}; give {either}")


def distribute(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Distributes batches of (features, labels); each device gets its own rows of every batch, in order.

    Every worker reads the same batches and skips the rows of the other workers. Therefore the order of the pairs does
    not depend on the number of workers.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        devices = context.num_replicas_in_sync
        here = devices // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def rows(value: tf.Tensor) -> tf.Tensor:
            """Reshapes ``[batch, ...]`` to ``[devices here, batch / devices, ...]``."""
            shares = tf.reshape(value, [devices, -1, *tf.unstack(tf.shape(value)[1:])])[first : first + here]
            share = value.shape[0] // devices if value.shape[0] else None
            return tf.ensure_shape(shares, [here, share, *value.shape[1:]])

        def share(features: Features, labels: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(rows, (features, labels)))

        return batches.flat_map(share).prefetch(2)

    return strategy.distribute_datasets_from_function(of_worker)
