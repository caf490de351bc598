"""The main job: two JSON files and a TF1 BERT become a trained, evaluated, exported pair classifier."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.encoder import assign_encoder
from checkpoints_tools.errors import InputError, Stopped
from checkpoints_tools.files import (
    exists,
    join,
    make_folder,
    read_bytes,
    write_bytes,
    write_json,
    write_text,
)
from checkpoints_tools.lock import locked
from checkpoints_tools.options import say
from keras_negaposi.calibration import Calibration, calibrate
from keras_negaposi.callbacks import Progress, SaveCheckpoint, StopAfter
from keras_negaposi.config import TrainConfig
from keras_negaposi.datasets import train_dataset
from keras_negaposi.distillation import add_unlabelled, check_teacher, soft_targets
from keras_negaposi.export import export
from keras_negaposi.heads import build, is_cacheable
from keras_negaposi.heads.parts import Projection
from keras_negaposi.inputs import UNLABELLED, Inputs, read_inputs
from keras_negaposi.judging.evaluation import chance_loss, score_records, scores_table
from keras_negaposi.judging.judgement import judge
from keras_negaposi.judging.report import Judged
from keras_negaposi.model import Head, encoder_of, float32_copy, random_generators, resumable_dropout
from keras_negaposi.optimization import BertAdam, warmup_then_linear
from keras_negaposi.precision import choose_precision, precision
from keras_negaposi.pretrained import Pretrained, read_pretrained
from keras_negaposi.progress import duration
from keras_negaposi.records import Records, prepare
from keras_negaposi.run_folder import RunFolder, check_same_data, environment
from keras_negaposi.stopping import StopOnSignal

CACHEABLE_HEAD_LEARNING_RATE = 1e-3
"""They have few steps to learn in what begins at random."""
PROJECTION_SHARE = 0.1
"""Of that, for the projections: they begin as the encoder's own similarity, and at the full rate lose it in a dozen
steps."""


@dataclasses.dataclass(frozen=True)
class RunInputs:
    """Everything a run reads, checked before anything is written."""

    pretrained: Pretrained
    inputs: Inputs
    total_steps: int


def read_run_inputs(config: TrainConfig) -> RunInputs:
    """Reads and checks what the run needs.

    Raises:
        InputError: whatever is wrong with it; nothing has been written then.
    """
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer)
    layers = pretrained.bert_config.num_hidden_layers
    if config.frozen_layers > layers:
        raise InputError(f"--frozen_layers {config.frozen_layers}: the encoder has {layers} layers; give fewer")
    check_teacher(inputs, config)
    inputs = add_unlabelled(inputs, config)
    pairs = sum(len(inputs.split.parts.get(part, [])) for part in ("train", UNLABELLED))
    total_steps = int(pairs / config.train_batch_size * config.num_train_epochs)
    if not total_steps:
        raise InputError(
            f"--train_batch_size {config.train_batch_size}: {pairs} training pairs and {config.num_train_epochs} "
            "epochs make no step; give a smaller batch or more epochs"
        )
    return RunInputs(pretrained, inputs, total_steps)


def run(
    config: TrainConfig,
    command: str = "",
    strategy: tf.distribute.Strategy | None = None,
    head: Head | None = None,
) -> Judged:
    """Trains, exports and judges; the run's folder then holds what `run_folder.LAYOUT` lists.

    Args:
        config: complete: every file named, ``output_dir`` empty or, with ``resume``, a run of the same options.
        command: the command line, kept with the run.
        strategy: where to train; the default strategy if ``None``.
        head: what classifies the pooled output, where ``config.head`` has one; `model.pair_head` if ``None``.

    Raises:
        InputError: something the user gave cannot be used; nothing has been written then.
        Stopped: by SIGINT or SIGTERM while it trained; what was learned is kept.
    """
    started = time.perf_counter()
    tf.keras.utils.set_random_seed(config.seed)
    run_inputs = read_run_inputs(config)
    inputs = run_inputs.inputs
    folder = RunFolder(config.output_dir)
    build_model = functools.partial(
        build, config, run_inputs.pretrained.bert_config, **({"head": head} if head else {})
    )
    with locked(folder.path):
        folder.sweep()
        _begin_folder(folder, config, run_inputs, command)
        records = prepare(inputs, config.records or folder.records)
        targets = soft_targets(inputs, config, folder.teacher)
        with (strategy or tf.distribute.get_strategy()).scope():
            model = _build_for_training(config, run_inputs, build_model)
        _fit(model, config, run_inputs, records, targets, folder)

        trained = float32_copy(model, build_model)
        calibration = score_parts(trained, records, inputs, config.eval_batch_size, folder)
        export(trained, inputs.packer, calibration, folder.saved_model)
        say(f"trained, scored and exported in {duration(time.perf_counter() - started)}")
        judged = judge(folder.path)
    say(f"\nwall time {duration(time.perf_counter() - started)}")
    return judged


def score_parts(
    model: tf_keras.Model, records: Records, inputs: Inputs, batch_size: int, folder: RunFolder
) -> Calibration:
    """Scores the parts not trained on, calibrates on ``dev`` if there is one, and writes the calibrated scores."""
    scores = {
        part: score_records(model, records, part, batch_size) for part in ("dev", "test") if part in records.counts
    }
    calibration = calibrate(scores["dev"].labels, scores["dev"].probabilities) if "dev" in scores else Calibration()
    write_json(folder.calibration, dataclasses.asdict(calibration))
    for part, found in scores.items():
        write_text(folder.scores(part), scores_table(inputs.split.parts[part], found.calibrated(calibration)))
    return calibration


def _begin_folder(folder: RunFolder, config: TrainConfig, run_inputs: RunInputs, command: str) -> None:
    """Writes what identifies the run, and the files that `evaluate` and `predict` will need."""
    if exists(folder.config):
        check_same_data(folder, run_inputs.inputs.fingerprint)
    else:
        make_folder(folder.path)
        write_json(
            folder.config,
            {
                "config": dataclasses.asdict(config) | {"resume": False},
                "total_steps": run_inputs.total_steps,
                "fingerprint": run_inputs.inputs.fingerprint,
                "init_checkpoint_fingerprint": run_inputs.pretrained.source.weights.fingerprint(),
                **environment(command),
            },
        )
    write_json(folder.bert_config, run_inputs.pretrained.bert_config.to_google())
    parts: dict[str, Any] = run_inputs.inputs.split.parts
    write_json(folder.split, {name: [[p.a, p.b, p.label] for p in pairs] for name, pairs in parts.items()})
    for source, target in ((config.model_file, folder.sentencepiece_model), (config.vocab_file, folder.vocabulary)):
        write_bytes(target, read_bytes(source))


def _build_for_training(
    config: TrainConfig, run_inputs: RunInputs, build_model: Callable[[], tf_keras.Model]
) -> tf_keras.Model:
    name = choose_precision(config.precision)
    say(f"training in {name}, {run_inputs.total_steps:,} steps of {config.train_batch_size} pairs")
    with precision(name), resumable_dropout():
        model = build_model()
    source = run_inputs.pretrained.source
    assign_encoder(encoder_of(model), source.weights, source.config)
    schedule = warmup_then_linear(config.learning_rate, run_inputs.total_steps, config.warmup_proportion)
    soft = bool(config.teacher)
    accuracy = tf_keras.metrics.CategoricalAccuracy if soft else tf_keras.metrics.SparseCategoricalAccuracy
    model.compile(
        optimizer=BertAdam(schedule, faster=learning_rate_factors(config, model)),
        loss=tf_keras.losses.CategoricalCrossentropy() if soft else tf_keras.losses.SparseCategoricalCrossentropy(),
        metrics=[accuracy("accuracy")],
    )
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


def _fit(
    model: tf_keras.Model,
    config: TrainConfig,
    run_inputs: RunInputs,
    records: Records,
    targets: np.ndarray | None,
    folder: RunFolder,
) -> None:
    """Runs ``model.fit`` from the last checkpoint, if there is one, to the last step."""
    total_steps = run_inputs.total_steps
    model.optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer, dropout=random_generators(model))
    manager = tf.train.CheckpointManager(checkpoint, folder.checkpoints, max_to_keep=2)
    if manager.restore_or_initialize():
        say(f"resumed at step {int(model.optimizer.iterations.numpy()):,}")
    done = int(model.optimizer.iterations.numpy())
    if done >= total_steps:
        return
    stop = StopOnSignal()
    steps_a_pass = max(1, records.train_count // config.train_batch_size)
    model.fit(
        train_dataset(records, config.train_batch_size, config.seed, done, targets, config.length_buckets),
        epochs=-(-(total_steps - done) // steps_a_pass),
        steps_per_epoch=steps_a_pass,
        verbose=0,
        callbacks=[
            stop,
            StopAfter(total_steps),
            Progress(
                total_steps,
                config.train_batch_size,
                config.log_every_steps,
                chance_loss(run_inputs.inputs.split.parts["train"]),
                join(folder.tensorboard, "train"),
                folder.history,
            ),
            SaveCheckpoint(manager, config.save_checkpoints_steps),
            tf_keras.callbacks.TensorBoard(folder.tensorboard, write_graph=True, profile_batch=0),
        ],
    )
    if stop.received:
        step = int(model.optimizer.iterations.numpy())
        raise Stopped(f"stopped at step {step:,}, which is kept", stop.received)
