"""Training on several devices or in several processes gives the same result as on one device."""

import dataclasses
import json
import os
import re
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.input_pipeline.datasets import BatchOptions, train_dataset
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.modeling.heads import build
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.train import main
from keras_negaposi.training.data_distribution import check_batch
from keras_negaposi.training.fit import build_for_training
from tests.helpers.forked import Python
from tests.helpers.ports import free_ports

SCRIPT = Path(__file__).parents[1] / "helpers/train_without_dropout.py"
TOLERANCE = 2e-5
"""For losses and probabilities: float32 sums depend on the order of the terms."""


@pytest.fixture(scope="module")
def options(tiny, tmp_path_factory):
    """Options of a run without dropout."""
    config = tmp_path_factory.mktemp("config") / "bert_config.json"
    values = tiny.config | {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps(values))
    return tiny.flags | {
        "bert_config_file": str(config),
        "max_seq_length": 37,
        "train_batch_size": 16,
        "num_train_epochs": 20 * 16 / 180,
        "learning_rate": 0.003,
        "log_every_steps": 6,
        "save_checkpoints_steps": 6,
        "precision": "float32",
        "rank_queries": 0,
        "embedding_cache": str(config.with_name("vectors.npz")),
    }


def start(options, folder, processors=1, cluster=None, end="scores", **more):
    """Starts a training in a new process; ``cluster`` is the content of TF_CONFIG, ``end`` that of the script."""
    arguments = [str(processors), json.dumps(options | {"output_dir": str(folder)} | more), end]
    environment = os.environ | ({"TF_CONFIG": json.dumps(cluster)} if cluster else {})
    return Python(SCRIPT, *arguments, environment=environment, merged=True)


def finish(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output[-3000:]
    return output


def losses(folder):
    history = json.loads((folder / "history.json").read_text())
    return [point["step"] for point in history], [point["loss"] for point in history]


def scores(folder):
    rows = [line.split("\t") for line in (folder / "scores_test.tsv").read_text().splitlines()[1:]]
    return [float(row[3]) for row in rows]


def free_addresses(count):
    return [f"127.0.0.1:{port}" for port in free_ports(count)]


@pytest.fixture(scope="module")
def alone(options, tmp_path_factory):
    """The run folder of the same training on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    finish(start(options, folder))
    return folder


def check_same(folder, alone):
    steps, found = losses(folder)
    expected_steps, expected = losses(alone)
    assert steps == expected_steps and expected[-1] < expected[0] - 0.05
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    np.testing.assert_allclose(scores(folder), scores(alone), atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "parts"), [(1, 4), (2, 2)])
def test_a_step_in_parts_is_the_same_as_a_whole_one(options, alone, tmp_path, devices, parts):
    strategy = "mirrored" if devices > 1 else "default"
    finish(start(options, tmp_path / "run", devices, strategy=strategy, accumulate=parts))
    check_same(tmp_path / "run", alone)


@pytest.mark.slow
def test_two_devices_learn_the_same_as_one(options, alone, tmp_path):
    output = finish(start(options, tmp_path / "run", 2, strategy="mirrored", steps_per_execution=3))
    assert "training on 2 devices" in output
    check_same(tmp_path / "run", alone)


def start_both(options, folder, tasks, **more):
    """Starts two processes; ``tasks`` are their types and indexes."""
    cluster = {}
    for address, (kind, _) in zip(free_addresses(2), tasks, strict=True):
        cluster.setdefault(kind, []).append(address)
    abouts = [{"cluster": cluster, "task": {"type": kind, "index": index}} for kind, index in tasks]
    return [start(options, folder, cluster=about, strategy="multiworker", **more) for about in abouts]


@pytest.mark.slow
def test_two_workers_learn_the_same_as_one_even_if_one_is_killed(options, alone, tmp_path):
    folder = tmp_path / "run"
    first, second = start_both(options, folder, [("worker", 0), ("worker", 1)])
    while not list((folder / "checkpoints").glob("ckpt-6.index")):
        for process in (second, first):
            assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.02)
    second.kill()
    output, _ = first.communicate()
    assert first.returncode == 2, output[-3000:]
    assert re.search(
        r"error: another worker has stopped.*start all workers again; (continue|resume) with: python -m", output
    )
    second.communicate()

    tasks = [("chief", 0), ("worker", 0)]  # the other way to name two workers
    outputs = [finish(process) for process in start_both(options, folder, tasks, end="", resume=True)]
    assert (folder / "saved_model/saved_model.pb").exists() and (folder / "metrics.json").exists()
    assert "resumed at step" in outputs[0] and "wall time" in outputs[0]
    assert "wall time" not in outputs[1]
    check_same(folder, alone)


@pytest.mark.slow
def test_a_start_from_data_and_the_in_batch_loss_are_the_same_in_two_workers(options, tmp_path):
    options = options | {"head": "maxsim", "loss": "both", "learning_rate": 0.001}  # without dropout of its own
    finish(start(options, tmp_path / "alone"))
    workers = start_both(options, tmp_path / "run", [("worker", 0), ("worker", 1)])
    assert all("the head starts from 180 training pairs" in finish(worker) for worker in workers)
    np.testing.assert_allclose(losses(tmp_path / "run")[1], losses(tmp_path / "alone")[1], atol=TOLERANCE)
    np.testing.assert_allclose(scores(tmp_path / "run"), scores(tmp_path / "alone"), atol=TOLERANCE)


def dev_losses(folder):
    points = json.loads((folder / "dev_history.json").read_text())["points"]
    return {point["step"]: point["loss"] for point in points}


@pytest.mark.slow
def test_all_devices_and_workers_stop_after_the_same_step(options, tmp_path):
    more = {"learning_rate": 0.01, "dev_share": 0.2, "eval_steps": 4, "patience": 2, "log_every_steps": 4}
    one, two, workers = (tmp_path / name for name in ("one", "two", "workers"))
    finish(start(options, one, **more))
    expected = dev_losses(one)
    stop = max(expected)
    assert stop == min(expected, key=expected.get) + 8 < 16  # the last step is 16
    finish(start(options, two, 2, strategy="mirrored", **more))
    tasks = [("worker", 0), ("worker", 1)]
    chief, other = [finish(process) for process in start_both(options, workers, tasks, **more)]
    assert all(f"stopping after step {stop}" in output for output in (chief, other))
    assert len(re.findall(r"dev loss \d", chief)) == len(expected) and "dev loss" not in other  # only the chief
    for folder in (two, workers):
        assert dev_losses(folder) == pytest.approx(expected, abs=TOLERANCE)
        assert losses(folder)[0][-1] == stop
        np.testing.assert_allclose(scores(folder), scores(one), atol=TOLERANCE)
    before = (workers / "scores_test.tsv").read_bytes()
    outputs = [finish(process) for process in start_both(options, workers, tasks, resume=True, **more)]
    assert all(f"resumed at step {stop}" in output and "first step done" not in output for output in outputs)
    assert (workers / "scores_test.tsv").read_bytes() == before and dev_losses(workers).keys() == expected.keys()


def rejection(capsys, options, folder, **more):
    """Returns the one-line error of a training that is rejected; checks that nothing was written."""
    values = options | {"output_dir": str(folder)} | more
    assert main([f"--{name}={value}" for name, value in values.items()]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and not folder.exists()
    return error


def test_unusable_devices_are_rejected(options, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    assert "--tpu local: TensorFlow finds no TPU in this machine" in rejection(capsys, options, folder, tpu="local")
    address = free_addresses(1)[0]
    found = rejection(capsys, options, folder, tpu=f"grpc://{address}", records="gs://nowhere/records")
    assert f"--tpu grpc://{address}: nothing answers at this address" in found
    found = rejection(capsys, options, folder, tpu="mine")
    assert "--records (in --output_dir): the TPU mine is on another machine, which reads the records itself" in found
    assert "--strategy multiworker: set TF_CONFIG" in rejection(capsys, options, folder, strategy="multiworker")
    found = rejection(capsys, options, folder, strategy="mirrored", jit_compile="true")
    assert "--jit_compile: not supported on CPUs with --strategy mirrored" in found
    one = '{"cluster": {"worker": ["a:1"]}, "task": {"type": "%s", "index": %d}}'
    for wrong in ("{", "[]", '{"cluster": []}', one % ("worker", 1), one % ("chief", 0), one % ("ps", 0)):
        monkeypatch.setenv("TF_CONFIG", wrong)
        assert "TF_CONFIG: " in rejection(capsys, options, folder, strategy="multiworker")


def test_a_batch_that_cannot_be_divided_is_rejected():
    for batch_size, fix in ((7, "give 6 or 9"), (2, "give 3")):
        with pytest.raises(InputError, match=f"--train_batch_size {batch_size}: .* among 3 devices; {fix}$"):
            check_batch(SimpleNamespace(num_replicas_in_sync=3), batch_size)
    check_batch(SimpleNamespace(num_replicas_in_sync=3), 12, 4)
    with pytest.raises(InputError, match=r"into 12 parts \(devices times --accumulate\); give 12 or 24$"):
        check_batch(SimpleNamespace(num_replicas_in_sync=3), 15, 4)


@pytest.mark.slow
@pytest.mark.parametrize(("length_buckets", "parts"), [(1, 1), (8, 1), (1, 4)])
def test_the_whole_step_compiles_for_every_shape(options, alone, tmp_path, length_buckets, parts):
    """Compiles the step as a TPU does, including optimizer and dropout; with one length, all shapes are static."""
    records = read_records(str(alone / "records"))
    config = TrainConfig(**options, jit_compile=True, accumulate=parts, output_dir=str(tmp_path))
    pretrained = read_pretrained(config)
    batches = train_dataset(records, BatchOptions(16, length_buckets=length_buckets))
    shape = batches.element_spec[0]["input_word_ids"].shape
    assert shape == ((16, 37) if length_buckets == 1 else (16, None))
    build_model = partial(build, config, dataclasses.replace(pretrained.bert_config, hidden_dropout_prob=0.1))
    model = build_for_training(config, pretrained, 8, build_model, tf.distribute.get_strategy())
    before = [variable.numpy() for variable in model.trainable_variables]
    lengths = {features["input_word_ids"].shape[1] for features, _ in batches.take(40)}
    assert lengths == set(records.buckets(length_buckets).boundaries)  # a TPU compiles once for each
    assert len(lengths) > 1 or length_buckets == 1
    seen = model.fit(batches, steps_per_epoch=8, verbose=0).history
    assert np.isfinite(seen["loss"]).all()
    moved = [np.abs(v.numpy() - b).max() > 0 for v, b in zip(model.trainable_variables, before, strict=True)]
    assert np.mean(moved) > 0.9
