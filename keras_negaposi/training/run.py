"""The main job: two JSON files and a TF1 BERT become a trained, evaluated, exported pair classifier."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import time

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import (
    exists,
    is_remote,
    make_folder,
    read_bytes,
    read_json,
    write_bytes,
    write_json,
    write_text,
)
from checkpoints_tools.common.gcs import check_read, probe
from checkpoints_tools.common.progress import duration
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.saved import absolute
from keras_negaposi.evaluation.evaluate_run import evaluate_finished_run
from keras_negaposi.evaluation.frozen_encoder import load_vectors
from keras_negaposi.evaluation.html_report import RunEvaluation
from keras_negaposi.evaluation.metrics import chance_loss, score_records
from keras_negaposi.evaluation.same_inputs import check_same_checkpoint
from keras_negaposi.evaluation.score_table import scores_table
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs, read_inputs
from keras_negaposi.input_pipeline.tfrecords import Records, find_records, metadata_file, prepare
from keras_negaposi.modeling.common import Head, float32_copy
from keras_negaposi.modeling.heads import build, check_fits
from keras_negaposi.modeling.pretrained import Pretrained, read_pretrained
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.runtime.resume import MOVABLE, check_same_data, how_to_resume
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import digests, environment, read_saved
from keras_negaposi.serving.calibration import Calibration, calibrate
from keras_negaposi.serving.export import export
from keras_negaposi.training.distillation import add_unlabelled, check_teacher, soft_targets
from keras_negaposi.training.fit import build_for_training, fit
from keras_negaposi.training.strategies import (
    check_batch,
    check_remote_paths,
    chief_first,
    choose_strategy,
    is_chief,
    is_tpu,
    lost_workers_named,
    worker_machines,
)

MOST_STEPS = 2**31
"""More take years."""


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
    inputs = read_inputs(config, pretrained.tokenizer, config.layout)
    layers = pretrained.bert_config.num_hidden_layers
    if config.frozen_layers > layers:
        raise InputError(f"--frozen_layers {config.frozen_layers}: the encoder has {layers} layers; give fewer")
    check_fits(config, pretrained.bert_config)
    if config.embedding_cache and exists(config.embedding_cache):
        load_vectors(config.embedding_cache)  # it is needed at the end
    check_teacher(inputs, config)
    inputs = add_unlabelled(inputs, config)
    pairs = sum(len(inputs.split.parts.get(part, [])) for part in ("train", UNLABELLED))
    steps = pairs / config.train_batch_size * config.num_train_epochs
    if not math.isfinite(steps) or steps >= MOST_STEPS:
        raise InputError(f"--num_train_epochs {config.num_train_epochs}: makes {steps:.3g} steps; give fewer epochs")
    total_steps = int(steps)
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
) -> RunEvaluation | None:
    """Trains, exports and judges; the run's folder then holds what `RunFolder` lists.

    Args:
        config: complete: every file named, ``output_dir`` empty or, with ``resume``, a run of the same options.
        command: the command line, kept with the run.
        strategy: where to train; what the options say if ``None``.
        head: what classifies the pooled output, where ``config.head`` has one; `model.pair_head` if ``None``.

    Returns:
        What was found; ``None`` in all of several workers but the first, which alone scores, exports and judges.

    Raises:
        InputError: something the user gave cannot be used, and nothing has been written; or another worker has gone.
        Stopped: by SIGINT or SIGTERM while it trained; what was learned is kept.
    """
    started = time.perf_counter()
    check_remote_paths(config)
    strategy = strategy or choose_strategy(config)
    check_batch(strategy, config.train_batch_size)
    _try_locations(config, worker_machines() if is_tpu(strategy) else [])
    tf.keras.utils.set_random_seed(config.seed)
    run_inputs = read_run_inputs(config)
    folder = RunFolder(config.output_dir)
    pretrained, inputs, total_steps = run_inputs.pretrained, run_inputs.inputs, run_inputs.total_steps
    build_model = functools.partial(build, config, pretrained.bert_config, **({"head": head} if head else {}))
    alone = locked(folder.path) if is_chief(strategy) else contextlib.nullcontext()
    with lost_workers_named(strategy, how_to_resume(folder.path)), alone:
        if is_chief(strategy):
            folder.sweep()
            _begin_folder(folder, config, run_inputs, command)
            prepare(inputs, config.records or folder.records)
        targets = chief_first(strategy, lambda: soft_targets(inputs, config, folder.teacher))
        records = find_records(config.records or folder.records, inputs.fingerprint)
        model = build_for_training(config, pretrained, total_steps, build_model, strategy)
        fit(model, config, records, targets, folder, total_steps, chance_loss(inputs.split.parts["train"]), strategy)
        if not is_chief(strategy):
            return None

        trained = float32_copy(model, build_model)
        calibration = score_parts(trained, records, inputs, config.eval_batch_size, folder)
        export(trained, inputs.preprocessor, calibration, folder.saved_model)
        say(f"trained, scored and exported in {duration(time.perf_counter() - started)}")
        judged = evaluate_finished_run(folder.path)
    say(f"\nwall time {duration(time.perf_counter() - started)}")
    return judged


def _try_locations(config: TrainConfig, readers: list[str]) -> None:
    """Finds out before anything is read or trained what cannot be written, or read by a TPU's own machine."""
    if is_remote(config.output_dir):
        probe(config.output_dir)
    if readers:
        records = config.records or RunFolder(config.output_dir).records
        if exists(metadata_file(records)):
            check_read(metadata_file(records), readers)
        else:
            probe(records, readers)


def score_parts(
    model: tf_keras.Model, records: Records, inputs: Inputs, batch_size: int, folder: RunFolder
) -> Calibration:
    """Scores the parts not trained on, calibrates on ``dev`` if there is one, and writes the calibrated scores."""
    scores = {
        part: score_records(model, records, part, batch_size) for part in ("dev", "test") if part in records.counts
    }
    if not all(np.isfinite(found.probabilities).all() for found in scores.values()):
        raise InputError(
            f"{folder.path}: the model's probabilities are not numbers: the training has diverged; begin a new run "
            "with a lower --learning_rate"
        )
    calibration = calibrate(scores["dev"].labels, scores["dev"].probabilities) if "dev" in scores else Calibration()
    write_json(folder.calibration, dataclasses.asdict(calibration))
    for part, found in scores.items():
        write_text(folder.scores(part), scores_table(inputs.split.parts[part], found.calibrated(calibration)))
    return calibration


def _begin_folder(folder: RunFolder, config: TrainConfig, run_inputs: RunInputs, command: str) -> None:
    """Writes what identifies the run, and the files that `evaluate` and `predict` will need."""
    saved = absolute(dataclasses.asdict(config)) | {"resume": False}
    if exists(folder.config):
        check_same_data(folder, run_inputs.inputs.fingerprint)
        check_same_checkpoint(folder.path, run_inputs.pretrained)
        if any(read_saved(folder.path).config.get(name) != saved[name] for name in MOVABLE):  # they have moved
            write_json(folder.config, read_json(folder.config) | {"config": saved})
    else:
        make_folder(folder.path)
        write_json(
            folder.config,
            {
                "config": saved,
                "total_steps": run_inputs.total_steps,
                "fingerprint": run_inputs.inputs.fingerprint,
                "inputs": digests(config),
                "init_checkpoint_fingerprint": run_inputs.pretrained.source.weights.fingerprint(),
                **environment(command),
            },
        )
    write_json(folder.bert_config, run_inputs.pretrained.bert_config.to_google())
    run_inputs.inputs.split.write(folder.split)
    for source, target in ((config.model_file, folder.sentencepiece_model), (config.vocab_file, folder.vocabulary)):
        write_bytes(target, read_bytes(source))
