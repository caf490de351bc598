"""A training run: labelled pairs and a BERT checkpoint become a trained, evaluated and exported pair classifier."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import exists, is_remote, make_folder, write_json
from checkpoints_tools.common.gcs import check_read, probe
from checkpoints_tools.common.progress import duration
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.saved import FIX, as_saved
from keras_negaposi.data.documents import documents_of
from keras_negaposi.evaluation.dev_history import read_dev_history
from keras_negaposi.evaluation.metrics import chance_loss
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.evaluation.same_inputs import check_same_checkpoint
from keras_negaposi.input_pipeline.record_folder import Records, find_records, metadata_file
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.modeling.common import Classifier, copy_in, float32_copy
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.precision import choose_precision
from keras_negaposi.readers.pair_source import write_source
from keras_negaposi.reporting.evaluate_run import evaluate_finished_run
from keras_negaposi.runtime import memory
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.runtime.resume import MOVABLE, check_same_data, how_to_resume
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import digests, environment, read_saved
from keras_negaposi.serving.export import export
from keras_negaposi.serving.partner import Partner
from keras_negaposi.tokenizers.opening import write_copies
from keras_negaposi.training.checkpoints import has_checkpoint
from keras_negaposi.training.data_distribution import check_batch
from keras_negaposi.training.distillation import soft_targets
from keras_negaposi.training.final_scores import score_parts
from keras_negaposi.training.fit import build_for_training, fit
from keras_negaposi.training.multi_worker import chief_first, explain_lost_workers, is_chief
from keras_negaposi.training.partner import partner_config
from keras_negaposi.training.run_inputs import RunInputs, read_run_inputs
from keras_negaposi.training.similar_batches import choose_batches
from keras_negaposi.training.start import start_from_data
from keras_negaposi.training.strategies import check_remote_paths, choose_strategy, is_tpu, worker_machines
from keras_negaposi.training.training_setup import TrainingSetup


@dataclasses.dataclass(frozen=True)
class _Run:
    """What the steps of a run share."""

    config: TrainConfig
    folder: RunFolder
    strategy: tf.distribute.Strategy
    read: RunInputs
    build_model: Callable[[], tf_keras.Model]


def run(
    config: TrainConfig,
    command: str = "",
    strategy: tf.distribute.Strategy | None = None,
    head: Classifier | None = None,
) -> RunEvaluation | None:
    """Trains, exports and evaluates a model; `RunFolder` lists the files that are then in the run's folder.

    Args:
        config: complete: all files are named; ``output_dir`` is empty or, with ``resume``, a run with the same options.
        command: the command line, saved with the run.
        strategy: the devices to train on; by default, the options choose them.
        head: classifies the pooled output, for a ``config.head`` that has one;
            by default `common.pair_classifier`.

    Returns:
        The evaluation; ``None`` without a test part. Of several workers, only the chief scores, exports and evaluates;
        the others return ``None``.

    Raises:
        InputError: an input cannot be used, and nothing has been written; or another worker has stopped.
        Stopped: SIGINT, SIGTERM or SIGHUP arrived during the training; the weights are saved.
    """
    started = time.perf_counter()
    job = _read(config, strategy, head)
    with _alone(job):
        if not _finish(job, command):
            return None
        memory.give_back()
        say(f"trained, scored and exported in {duration(time.perf_counter() - started)}")
        evaluation = evaluate_finished_run(job.folder.path)
    say(f"\nwall time {duration(time.perf_counter() - started)}")
    return evaluation


def _read(config: TrainConfig, strategy: tf.distribute.Strategy | None, head: Classifier | None = None) -> _Run:
    """Chooses the devices, and reads and checks the inputs. Nothing is written before all of them are valid."""
    strategy = _choose_devices(config, strategy)
    read = read_run_inputs(config)
    build_model = functools.partial(build, config, read.pretrained.bert_config, **({"head": head} if head else {}))
    return _Run(config, RunFolder(config.output_dir), strategy, read, build_model)


@contextlib.contextmanager
def _alone(job: _Run) -> Iterator[None]:
    """Keeps other processes out of the run's folder, and explains what happens when another worker stops."""
    lock = locked(job.folder.path) if is_chief(job.strategy) else contextlib.nullcontext()
    with explain_lost_workers(job.strategy, how_to_resume(job.folder.path)), lock:
        yield


def _finish(job: _Run, command: str) -> bool:
    """Trains and exports the model. Returns whether this process is the chief, which has exported it."""
    # 1. Write the configuration and the records.
    _write_inputs(job, command)
    # 2. Finish the run that is to join this one, if the options ask for one.
    if job.config.trains_partner and not exists(RunFolder(job.folder.partner).saved_model):
        say(f"\n== partner: {job.folder.partner}")
        partner = _read(partner_config(job.config), job.strategy)
        with _alone(partner):
            _finish(partner, command)
        say(f"\n== {job.folder.path}")
    # 3. Train, from the newest checkpoint if the run is resumed.
    tf.keras.utils.set_random_seed(job.config.seed)
    trained, records = _train(job)
    memory.give_back()
    if not is_chief(job.strategy):
        return False
    # 4. Score and calibrate the weights in float32, and export them.
    _export(job, trained, records)
    return True


def _choose_devices(config: TrainConfig, strategy: tf.distribute.Strategy | None) -> tf.distribute.Strategy:
    """Returns the strategy; checks the batch size and all folders before anything is read or trained."""
    check_remote_paths(config)
    strategy = strategy or choose_strategy(config)
    check_batch(strategy, config.train_batch_size, config.accumulate)
    if is_remote(config.output_dir):
        probe(config.output_dir)
    readers = worker_machines() if is_tpu(strategy) else []
    if readers:  # the TPU's machine reads the records
        records = config.records or RunFolder(config.output_dir).records
        if exists(metadata_file(records)):
            check_read(metadata_file(records), readers)
        else:
            probe(records, readers)
    return strategy


def _write_inputs(job: _Run, command: str) -> None:
    """Writes the configuration, the split, the tokenizer and the TFRecords, if this process is the chief."""
    if not is_chief(job.strategy):
        return
    job.folder.sweep()
    _write_config(job, command)
    if job.config.honbun is None:  # the table, which the run then does not need any more
        write_source(job.read.inputs.data, {"honbun": job.folder.honbun, "negaposi": job.folder.negaposi})
    write_json(job.folder.bert_config, job.read.pretrained.bert_config.to_google())
    job.read.inputs.split.write(job.folder.split)
    write_copies(job.config, job.folder)
    prepare(job.read.inputs, job.config.records or job.folder.records)


def _write_config(job: _Run, command: str) -> None:
    """Writes ``config.json``; for a resumed run, checks it, and updates the paths of moved files."""
    saved = as_saved(job.config)
    if exists(job.folder.config):
        check_same_data(job.folder, job.read.inputs.fingerprint)
        check_same_checkpoint(job.folder.path, job.read.pretrained)
        if any(read_saved(job.folder.path).config.get(name) != saved[name] for name in MOVABLE):
            content = read_as(dict[str, Any], job.folder.config, FIX)
            write_json(job.folder.config, content | {"config": saved})
        return
    make_folder(job.folder.path)
    write_json(
        job.folder.config,
        {
            "config": saved,
            "total_steps": job.read.total_steps,
            "fingerprint": job.read.inputs.fingerprint,
            "inputs": {name: digest.hex() for name, digest in job.read.inputs.digests.items()} | digests(job.config),
            "init_checkpoint_fingerprint": job.read.pretrained.source.weights.fingerprint(),
            **environment(command),
        },
    )


def _train(job: _Run) -> tuple[tf_keras.Model, Records]:
    """Returns a float32 copy of the trained model, and the records that it was trained on.

    The optimizer and all else that only the training needs is freed.
    """
    inputs, total_steps = job.read.inputs, job.read.total_steps
    targets = chief_first(job.strategy, lambda: soft_targets(inputs, job.config, job.folder.teacher))
    records = find_records(job.config.records or job.folder.records, inputs.fingerprint)
    model = build_for_training(job.config, job.read.pretrained, total_steps, job.build_model, job.strategy)
    if not has_checkpoint(job.folder):
        start_from_data(model, job.config, job.read.pretrained, inputs, job.strategy)
    chance = chance_loss(inputs.split.parts["train"])
    chosen = choose_batches(inputs, job.config, total_steps)
    dev_documents = None
    if job.config.measure == "recall" and "dev" in inputs.split.parts:
        dev_documents = documents_of(inputs.split.parts["dev"], job.config.group_pattern)
    setup = TrainingSetup(
        *(job.config, records, job.folder, total_steps, chance, job.strategy, job.build_model),
        *(targets, chosen, dev_documents),
    )
    fit(model, setup)
    return float32_copy(model, job.build_model), records


def _export(job: _Run, trained: tf_keras.Model, records: Records) -> None:
    """Scores and calibrates the model, and exports it as a SavedModel."""
    name = "float32" if is_tpu(job.strategy) else choose_precision(job.config.precision)  # this machine's processor

    def fast_model() -> tf_keras.Model:
        return trained if name == "float32" else copy_in(name, trained, job.build_model)

    inputs = job.read.inputs
    calibration, lexical, density = score_parts(
        trained, fast_model, records, inputs, job.config, job.folder, _is_fine_tuned(job)
    )
    partner = Partner(job.config.partner) if job.config.partner and calibration.ensemble else None
    export(trained, inputs.preprocessor, calibration, job.folder.saved_model, lexical, partner, density)


def _is_fine_tuned(job: _Run) -> bool:
    """Returns whether the weights are others than at the start."""
    kept = read_dev_history(job.folder.dev_history).kept
    return bool(job.read.total_steps if kept is None else kept)
