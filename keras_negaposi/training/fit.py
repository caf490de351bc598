"""``model.fit``: what is compiled, what is resumed, and what happens beside the steps."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, Stopped, shortened
from checkpoints_tools.common.files import join, list_folder, write_text
from checkpoints_tools.encoder import assign_encoder
from keras_negaposi.config import TrainConfig
from keras_negaposi.input_pipeline.datasets import train_dataset
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.modeling.common import encoder_of, random_generators, resumable_dropout
from keras_negaposi.modeling.heads import is_cacheable
from keras_negaposi.modeling.heads.layers import Projection
from keras_negaposi.modeling.precision import choose_precision, precision
from keras_negaposi.modeling.pretrained import Pretrained
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.training.callbacks import Progress, SaveCheckpoint
from keras_negaposi.training.optimizer import BertAdam, warmup_then_linear
from keras_negaposi.training.stopping import StopOnSignal
from keras_negaposi.training.strategies import distribute, is_chief, is_tpu

CACHEABLE_HEAD_LEARNING_RATE = 1e-3
"""They have few steps to learn in what begins at random."""
PROJECTION_SHARE = 0.1
"""Of that, for the projections: they begin as the encoder's own similarity, and at the full rate lose it in a dozen
steps."""
LENGTH_BUCKETS = 4
KEPT = 2
"""Checkpoints: the newest, and one to fall back on where that cannot be read."""
TPU_STEPS_PER_EXECUTION = 25
"""Steps that a TPU makes before the host looks."""


def build_for_training(
    config: TrainConfig,
    pretrained: Pretrained,
    total_steps: int,
    build_model: Callable[[], tf_keras.Model],
    strategy: tf.distribute.Strategy,
) -> tf_keras.Model:
    """A compiled model with the checkpoint's weights, made in the strategy's scope with its optimizer."""
    name = choose_precision(config.precision)
    say(f"training in {name}, {total_steps:,} steps of {config.train_batch_size} pairs")
    with strategy.scope():
        with precision(name), resumable_dropout():
            model = build_model()
        assign_encoder(encoder_of(model), pretrained.source.weights, pretrained.source.config)
        schedule = warmup_then_linear(config.learning_rate, total_steps, config.warmup_proportion)
        soft = bool(config.teacher)
        accuracy = tf_keras.metrics.CategoricalAccuracy if soft else tf_keras.metrics.SparseCategoricalAccuracy
        model.compile(
            optimizer=BertAdam(schedule, faster=learning_rate_factors(config, model)),
            loss=tf_keras.losses.CategoricalCrossentropy() if soft else tf_keras.losses.SparseCategoricalCrossentropy(),
            metrics=[accuracy("accuracy")],
            steps_per_execution=config.steps_per_execution or (TPU_STEPS_PER_EXECUTION if is_tpu(strategy) else 1),
            jit_compile=config.jit_compile or None,
        )
        model.distribute_reduction_method = "first"  # metrics are the same everywhere; Keras would add the workers' up
        model.optimizer.build(model.trainable_variables)
    return model


def learning_rate_factors(config: TrainConfig, model: tf_keras.Model) -> dict[str, float]:
    """Factors of the learning rate, by name, for the variables that the checkpoint does not have."""
    default = CACHEABLE_HEAD_LEARNING_RATE if is_cacheable(config.head) else config.learning_rate
    factor = (config.head_learning_rate or default) / config.learning_rate
    from_checkpoint = {variable.ref() for variable in encoder_of(model).variables}
    new = [variable.name for variable in model.trainable_variables if variable.ref() not in from_checkpoint]
    projected = {v.name for part in model.submodules if isinstance(part, Projection) for v in part.variables}
    factors = {name: factor * (PROJECTION_SHARE if name in projected else 1.0) for name in new}
    return {name: value for name, value in factors.items() if value != 1.0}


def fit(
    model: tf_keras.Model,
    config: TrainConfig,
    records: Records,
    targets: np.ndarray | None,
    folder: RunFolder,
    total_steps: int,
    chance_loss: float,
    strategy: tf.distribute.Strategy,
) -> None:
    """Runs ``model.fit`` from the last checkpoint, if there is one, to the last step.

    Args:
        model: of `build_for_training`.
        config: of the run.
        records: to train on.
        targets: as `datasets.train_dataset` takes them.
        folder: has the checkpoints. Of several workers the first writes, and all read.
        total_steps: at which the training ends.
        chance_loss: in nats, of a model that has learned nothing.
        strategy: in whose scope the model was made.

    Raises:
        Stopped: by SIGINT or SIGTERM; the last step is kept.
        InputError: there are checkpoints, but none can be read; or the loss is not a number any more.
    """
    # A TPU in another machine must leave the reading and writing of checkpoints to this one.
    options = tf.train.CheckpointOptions(experimental_io_device="/job:localhost") if is_tpu(strategy) else None
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, dropout=random_generators(model))
    # Its counter is made here, by all: if the first worker made it at the first saving, in the strategy's scope, it
    # would wait for the others to make theirs.
    checkpoint.save_counter.assign(0)
    if restore_newest(checkpoint, folder, options, write_state=is_chief(strategy)):
        say(f"resumed at step {int(model.optimizer.iterations.numpy()):,}")
    manager = tf.train.CheckpointManager(checkpoint, folder.checkpoints, max_to_keep=KEPT)
    done = int(model.optimizer.iterations.numpy())
    if done >= total_steps:
        return
    buckets = config.length_buckets or (1 if is_tpu(strategy) else LENGTH_BUCKETS)
    devices = strategy.num_replicas_in_sync
    batches = train_dataset(
        records, config.train_batch_size, config.seed, done, targets, buckets, config.constant_tokens, devices
    )
    stop = StopOnSignal()
    callbacks = [stop]
    if is_chief(strategy):
        callbacks += [
            Progress(
                total_steps,
                config.train_batch_size,
                config.log_every_steps,
                chance_loss,
                join(folder.tensorboard, "train"),
                folder.history,
            ),
            SaveCheckpoint(manager, config.save_checkpoints_steps, options),
            tf_keras.callbacks.TensorBoard(folder.tensorboard, write_graph=True, profile_batch=0),
        ]
    model.fit(distribute(strategy, batches), steps_per_epoch=total_steps - done, verbose=0, callbacks=callbacks)
    if stop.received:
        step = int(model.optimizer.iterations.numpy())
        raise Stopped(f"stopped at step {step:,}, which is kept", stop.received)


def restore_newest(
    checkpoint: tf.train.Checkpoint,
    folder: RunFolder,
    options: tf.train.CheckpointOptions | None,
    write_state: bool,
) -> bool:
    """Restores the newest checkpoint that can be read; gives whether there is any.

    TensorFlow's state file is not asked, only rewritten: it may be damaged, or older than the newest checkpoint.

    Args:
        checkpoint: of everything that a resumed run needs.
        folder: has the checkpoints.
        options: for reading.
        write_state: whether the state file is this process's to write.

    Raises:
        InputError: there are checkpoints, but none can be read; says how to start over.
    """
    names = _complete(folder.checkpoints)
    while names:
        newest = join(folder.checkpoints, names[-1])
        problem = _restore(checkpoint, newest, options)
        if problem is None:
            if write_state:
                _write_state(folder.checkpoints, names)
            return True
        names.pop()
        if not names:
            raise InputError(
                f"{newest}: cannot be read ({problem}), and there is no older checkpoint that can; to train from the "
                f"beginning, remove {folder.checkpoints} and resume again"
            )
        say(f"{newest}: cannot be read ({problem}); using the checkpoint before it")
    return False


def _complete(folder: str) -> list[str]:
    """Names of the checkpoints in a folder, the oldest first; what a kill has left of one is told and not counted."""
    found = [re.fullmatch(r"(ckpt-(\d+))\.(index|data-.*)", name) for name in list_folder(folder)]
    files = [(int(match[2]), match[1], match[3]) for match in found if match]
    complete = {(step, name) for step, name, kind in files if kind == "index"}
    for name in sorted({name for step, name, _ in files if (step, name) not in complete}):
        say(f"{join(folder, name)}: incomplete (it has no .index); not used")
    return [name for _, name in sorted(complete)]


def _write_state(folder: str, names: list[str]) -> None:
    """Writes TensorFlow's state file; without times its manager would forget the checkpoints."""
    paths = [f'all_model_checkpoint_paths: "{name}"' for name in names]
    times = [f"all_model_checkpoint_timestamps: {number}" for number in range(1, len(names) + 1)]
    lines = [f'model_checkpoint_path: "{names[-1]}"', *paths, *times]
    write_text(join(folder, "checkpoint"), "".join(f"{line}\n" for line in lines))


def _restore(checkpoint: tf.train.Checkpoint, prefix: str, options: tf.train.CheckpointOptions | None) -> str | None:
    """Reads all values of a checkpoint; gives what is wrong with it, or ``None``."""
    try:
        checkpoint.restore(prefix, options).assert_existing_objects_matched()
    except Exception as error:  # TensorFlow may raise anything where a file is damaged
        return shortened(" ".join(str(error).split()), 120) or type(error).__name__
    return None
