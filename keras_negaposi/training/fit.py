"""Compiles the model, and trains it with ``model.fit`` from the first step or from the newest checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import Stopped
from checkpoints_tools.encoder import assign_encoder
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.losses import BINARY, IN_BATCH
from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
from keras_negaposi.modeling.common import encoder_of, random_generators, resumable_dropout
from keras_negaposi.modeling.precision import choose_precision, precision
from keras_negaposi.modeling.pretrained import Pretrained
from keras_negaposi.training.accumulation import accumulate_gradients
from keras_negaposi.training.callbacks import PAIR_LOSS, choose_callbacks, no_timing_warnings
from keras_negaposi.training.checkpoints import restore_newest
from keras_negaposi.training.data_distribution import distribute
from keras_negaposi.training.dev_evaluation import DevProgress, evaluates_dev
from keras_negaposi.training.multi_worker import is_chief
from keras_negaposi.training.optimizer import choose_optimizer
from keras_negaposi.training.stopping import StopOnSignal
from keras_negaposi.training.strategies import is_tpu
from keras_negaposi.training.training_setup import TrainingSetup

LENGTH_BUCKETS = 4
CHECKPOINTS_KEPT = 2
"""The newest checkpoint, and the one before it in case the newest cannot be read."""
TPU_STEPS_PER_EXECUTION = 25
"""Number of steps that a TPU runs before it returns control to the host."""


def build_for_training(
    config: TrainConfig,
    pretrained: Pretrained,
    total_steps: int,
    build_model: Callable[[], tf_keras.Model],
    strategy: tf.distribute.Strategy,
) -> tf_keras.Model:
    """Returns a compiled model with the checkpoint's weights, created in the strategy's scope with its optimizer."""
    name = choose_precision(config.precision)
    if total_steps:
        say(f"training in {name}, {total_steps:,} steps of {config.train_batch_size} pairs")
    with strategy.scope():
        with precision(name), resumable_dropout():
            model = build_model()
        assign_encoder(encoder_of(model), pretrained.source.weights, pretrained.source.config)
        soft = bool(config.teacher)  # the targets are probabilities, not labels
        accuracy = tf_keras.metrics.CategoricalAccuracy if soft else tf_keras.metrics.SparseCategoricalAccuracy
        metrics = [accuracy("accuracy")]
        if config.loss != BINARY:  # Keras adds the in-batch loss to its figure "loss"
            metrics.append(
                tf_keras.metrics.CategoricalCrossentropy(PAIR_LOSS)
                if soft
                else tf_keras.metrics.SparseCategoricalCrossentropy(PAIR_LOSS)
            )
        model.compile(
            optimizer=choose_optimizer(config, model, total_steps),
            loss=tf_keras.losses.CategoricalCrossentropy() if soft else tf_keras.losses.SparseCategoricalCrossentropy(),
            loss_weights=[0.0 if config.loss == IN_BATCH else 1.0],
            metrics=metrics,
            steps_per_execution=config.steps_per_execution or (TPU_STEPS_PER_EXECUTION if is_tpu(strategy) else 1),
            jit_compile=config.jit_compile or None,
        )
        if config.accumulate > 1:
            accumulate_gradients(model, config.accumulate)
        # Every worker computes the same metrics, but Keras would add them up.
        model.distribute_reduction_method = "first"
        model.optimizer.build(model.trainable_variables)
    return model


def fit(model: tf_keras.Model, setup: TrainingSetup) -> None:
    """Runs ``model.fit`` to the last step, from the newest checkpoint if there is one.

    With evaluations of a dev part, it may stop earlier (``patience``), and the chief's model has the kept weights then.

    Args:
        model: from `build_for_training`.
        setup: of the run.

    Raises:
        Stopped: SIGINT, SIGTERM or SIGHUP arrived; the last step is saved.
        InputError: there are checkpoints, but none is readable; or the loss is not finite.
    """
    # 1. Restore the newest checkpoint. If the TPU is on another machine, this machine reads and writes the checkpoints.
    options = tf.train.CheckpointOptions(experimental_io_device="/job:localhost") if is_tpu(setup.strategy) else None
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, dropout=random_generators(model))
    # All workers create the save counter here. If the chief created it in the strategy's scope when it saves for the
    # first time, it would wait forever for the other workers to do the same.
    checkpoint.save_counter.assign(0)
    if restore_newest(checkpoint, setup.folder, options, write_state=is_chief(setup.strategy)):
        say(f"resumed at step {_step(model):,}")
    manager = tf.train.CheckpointManager(checkpoint, setup.folder.checkpoints, max_to_keep=CHECKPOINTS_KEPT)
    done = _step(model)
    dev = DevProgress(model, setup, done) if evaluates_dev(setup) else None

    # 2. Train on the batches that the run has not seen yet.
    if done < setup.total_steps and not (dev and dev.is_over):
        batches = distribute(setup.strategy, _batches(setup, skip_steps=done))
        stop = StopOnSignal()
        callbacks = choose_callbacks(setup, stop, dev, manager, options)
        with no_timing_warnings():
            model.fit(batches, steps_per_epoch=setup.total_steps - done, verbose=0, callbacks=callbacks)
        if stop.received:
            raise Stopped(f"stopped at step {_step(model):,}, checkpoint saved", stop.received)

    elif dev and not setup.total_steps and is_chief(setup.strategy):
        dev.evaluate(0, lambda step: None)

    # 3. Keep the weights that were the best on the dev part.
    if dev and is_chief(setup.strategy):
        dev.keep(_step(model))


def _batches(setup: TrainingSetup, skip_steps: int) -> tf.data.Dataset:
    """Returns the training batches after the first ``skip_steps`` ones."""
    config = setup.config
    options = BatchOptions(
        batch_size=config.train_batch_size,
        seed=config.seed,
        skip_steps=skip_steps,
        length_buckets=config.length_buckets or (1 if is_tpu(setup.strategy) else LENGTH_BUCKETS),
        constant_tokens=config.constant_tokens,
        shares=setup.strategy.num_replicas_in_sync * config.accumulate,
    )
    return train_dataset(setup.records, options, setup.targets, setup.chosen)


def _step(model: tf_keras.Model) -> int:
    return int(model.optimizer.iterations.numpy())
