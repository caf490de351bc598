"""The main job: two JSON files and a TF1 BERT become a trained, evaluated, exported pair classifier."""

from __future__ import annotations

import dataclasses
import shutil
import time
from typing import Any

import tensorflow as tf
import tf_keras

from checkpoints_tools.config import BertConfig
from checkpoints_tools.encoder import assign_weights, check_checkpoint
from checkpoints_tools.errors import InputError
from keras_negaposi.callbacks import Progress, SaveCheckpoint, StopAfter, duration
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluation import Evaluation, evaluate, score_records, scores_table
from keras_negaposi.export import export
from keras_negaposi.files import exists, make_folder, write_json, write_text
from keras_negaposi.model import build_classifier, choose_precision, encoder_of, float32_copy, precision
from keras_negaposi.optimization import BertAdam, warmup_then_linear
from keras_negaposi.options import say
from keras_negaposi.records import Inputs, Records, prepare, read_inputs, train_dataset
from keras_negaposi.report import render_report
from keras_negaposi.run_folder import RunFolder, environment


@dataclasses.dataclass(frozen=True)
class RunInputs:
    """Everything a run reads, checked before anything is written."""

    inputs: Inputs
    bert_config: BertConfig
    checkpoint: tf.train.CheckpointReader
    total_steps: int


def read_run_inputs(config: TrainConfig) -> RunInputs:
    """Reads and checks what the run needs.

    Raises:
        InputError: whatever is wrong with it; nothing has been written then.
    """
    bert_config = BertConfig.from_file(config.bert_config_file)
    checkpoint = check_checkpoint(bert_config, config.init_checkpoint)
    if config.max_seq_length > bert_config.max_position_embeddings:
        raise InputError(
            f"--max_seq_length {config.max_seq_length}: this BERT has {bert_config.max_position_embeddings} positions "
            f"({config.bert_config_file}); give at most that"
        )
    inputs = read_inputs(config)
    if inputs.tokenizer.vocab_size > bert_config.vocab_size:
        raise InputError(
            f"{config.vocab_file}: {inputs.tokenizer.vocab_size:,} pieces, but the BERT has "
            f"{bert_config.vocab_size:,} ({config.bert_config_file}); give the files of one pre-training"
        )
    pairs = len(inputs.split.parts["train"])
    total_steps = int(pairs / config.train_batch_size * config.num_train_epochs)
    if not total_steps:
        raise InputError(
            f"--train_batch_size {config.train_batch_size}: {pairs} training pairs and {config.num_train_epochs} "
            "epochs make no step; give a smaller batch or more epochs"
        )
    return RunInputs(inputs, bert_config, checkpoint, total_steps)


def run(config: TrainConfig, command: str = "", strategy: tf.distribute.Strategy | None = None) -> Evaluation:
    """Trains, evaluates and exports; the run's folder then holds what `run_folder.LAYOUT` lists.

    Args:
        config: complete: every file named, ``output_dir`` empty or, with ``resume``, a run of the same options.
        command: the command line, kept with the run.
        strategy: where to train; the default strategy if ``None``.

    Raises:
        InputError: something the user gave cannot be used; nothing has been written then.
    """
    started = time.perf_counter()
    tf.keras.utils.set_random_seed(config.seed)
    run_inputs = read_run_inputs(config)
    inputs = run_inputs.inputs
    say(f"data: {inputs.data.describe()}")
    say(f"split ({config.split}): {inputs.split.describe()}")

    folder = RunFolder(config.output_dir)
    _begin_folder(folder, config, run_inputs, command)
    records = prepare(inputs, config.records or folder.records)
    with (strategy or tf.distribute.get_strategy()).scope():
        model = _build_for_training(config, run_inputs)
    history = _fit(model, config, run_inputs.total_steps, records, folder)
    write_json(folder.history, history)

    trained = float32_copy(model, run_inputs.bert_config)
    export(trained, inputs.tokenizer, config.max_seq_length, folder.saved_model)
    evaluations = evaluate_parts(trained, records, inputs, config.eval_batch_size, run_inputs.total_steps, folder)
    seconds = time.perf_counter() - started
    write_text(folder.report, render_report(evaluations["test"], config, history, command, seconds))
    say(f"wall time {duration(seconds)}")
    return evaluations["test"]


def evaluate_parts(
    model: tf_keras.Model, records: Records, inputs: Inputs, batch_size: int, global_step: int, folder: RunFolder
) -> dict[str, Evaluation]:
    """Scores the parts not trained on, and writes and tells their figures."""
    evaluations = {}
    for part in ("dev", "test"):
        if part not in records.counts:
            continue
        scores = score_records(model, records, part, batch_size)
        evaluations[part] = evaluate(scores, global_step)
        write_text(folder.scores(part), scores_table(inputs.split.parts[part], scores))
    test = evaluations["test"]
    write_text(folder.eval_results, test.eval_results())
    write_text(folder.classification_report, f"{test.report_text}\n{confusion_text(test)}\n")
    write_json(folder.metrics, test.metrics() | ({"dev": evaluations["dev"].metrics()} if "dev" in evaluations else {}))
    say(f"\n{test.report_text}\n{confusion_text(test)}\n\n{test.eval_results()}")
    return evaluations


def confusion_text(evaluation: Evaluation) -> str:
    """The confusion matrix with its axes named."""
    return f"confusion matrix (rows: label 0, 1; columns: prediction 0, 1): {evaluation.confusion}"


def _begin_folder(folder: RunFolder, config: TrainConfig, run_inputs: RunInputs, command: str) -> None:
    """Writes what identifies the run, and the files that `evaluate` and `predict` will need."""
    make_folder(folder.path)
    if not exists(folder.config):
        write_json(
            folder.config,
            {
                "config": dataclasses.asdict(config) | {"resume": False},
                "total_steps": run_inputs.total_steps,
                "fingerprint": run_inputs.inputs.fingerprint,
                **environment(command),
            },
        )
    write_json(folder.bert_config, dataclasses.asdict(run_inputs.bert_config))
    parts: dict[str, Any] = run_inputs.inputs.split.parts
    write_json(folder.split, {name: [[p.a, p.b, p.label] for p in pairs] for name, pairs in parts.items()})
    for source, target in ((config.model_file, folder.sentencepiece_model), (config.vocab_file, folder.vocabulary)):
        tf.io.gfile.copy(source, target, overwrite=True)


def _build_for_training(config: TrainConfig, run_inputs: RunInputs) -> tf_keras.Model:
    name = choose_precision(config.precision)
    say(f"training in {name}, {run_inputs.total_steps:,} steps of {config.train_batch_size} pairs")
    with precision(name):
        model = build_classifier(run_inputs.bert_config)
    assign_weights(encoder_of(model), run_inputs.bert_config, run_inputs.checkpoint)
    schedule = warmup_then_linear(config.learning_rate, run_inputs.total_steps, config.warmup_proportion)
    model.compile(
        optimizer=BertAdam(schedule),
        loss=tf_keras.losses.SparseCategoricalCrossentropy(),
        metrics=[tf_keras.metrics.SparseCategoricalAccuracy("accuracy")],
    )
    return model


def _fit(
    model: tf_keras.Model, config: TrainConfig, total_steps: int, records: Records, folder: RunFolder
) -> list[dict[str, float]]:
    """Runs ``model.fit`` from the last checkpoint, if there is one, to the last step."""
    model.optimizer.build(model.trainable_variables)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(model=model, optimizer=model.optimizer), folder.checkpoints, max_to_keep=2
    )
    if manager.restore_or_initialize():
        say(f"resumed at step {int(model.optimizer.iterations.numpy()):,}")
    done = int(model.optimizer.iterations.numpy())
    if done >= total_steps:
        return []
    steps_a_pass = max(1, records.counts["train"] // config.train_batch_size)
    progress = Progress(total_steps, config.train_batch_size, config.log_every_steps, folder.tensorboard + "/train")
    model.fit(
        train_dataset(records, config.train_batch_size, config.seed, skip_steps=done),
        epochs=-(-(total_steps - done) // steps_a_pass),
        steps_per_epoch=steps_a_pass,
        verbose=0,
        callbacks=[
            StopAfter(total_steps),
            progress,
            SaveCheckpoint(manager, config.save_checkpoints_steps),
            tf_keras.callbacks.TensorBoard(folder.tensorboard, write_graph=True, profile_batch=0),
        ],
    )
    return progress.history
