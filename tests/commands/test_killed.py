"""Every long job, killed at a random moment and called again, ends as if nothing had been.

KERAS_NEGAPOSI_KILLS=20 is the long form: so many moments a job, and two more jobs, which only do the ends of training.
"""

import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keras_negaposi.train import main
from keras_negaposi.training.stopping import StopOnSignal
from tests.helpers.forked import Python

STEPS = 30
KILLS = int(os.environ.get("KERAS_NEGAPOSI_KILLS", "1"))
JOBS = ("prepare", "train", "index") + (("export", "evaluate") if KILLS > 1 else ())
AFTER_TRAINING = (
    "README.md",
    "calibration.json",
    "classification_report.txt",
    "eval_results.txt",
    "metrics.json",
    "report.html",
    "saved_model",
    "scores_dev.tsv",
    "scores_test.tsv",
)
RESULTS = ("metrics.json", "scores_test.tsv", "eval_results.txt", "dev_history.json")


def flags(tiny, folder):
    options = tiny.flags | {
        "output_dir": str(folder),
        "head": "vector",
        "max_seq_length": 37,
        "train_batch_size": 16,
        "num_train_epochs": STEPS * 16 / 144,
        "save_checkpoints_steps": 7,
        "dev_share": 0.2,
        "eval_steps": 4,
        "log_every_steps": 2,
        "learning_rate": 0.003,
        "precision": "float32",
        "rank_queries": 2,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def start(module, arguments):
    return Python("-m", f"keras_negaposi.{module}", *arguments)


def finish(module, arguments):
    """Returns the duration in seconds."""
    process = start(module, arguments)
    began = time.perf_counter()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return time.perf_counter() - began


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """Returns an uninterrupted run and its duration."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return folder, finish("train", flags(tiny, folder))


def names(folder):
    """Returns the names of all files but TensorBoard's, of which each process writes one."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("tensorboard")}


def check_same(whole, folder, equal):
    """The same files, those named ``equal`` to the last bit."""
    assert names(folder) == names(whole)
    for name in equal:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name


def check_history(whole, folder):
    steps, expected = (
        [point["step"] for point in json.loads((run / "history.json").read_text())] for run in (folder, whole)
    )
    assert set(expected) <= set(steps) and steps == sorted(set(steps))


@dataclasses.dataclass
class Job:
    """A command on a folder: what the folder holds before, the arguments, and what must be equal in the end."""

    module: str
    arguments: Callable[[Path], list[str]]
    equal: Callable[[Path], set[str] | tuple[str, ...]]
    before: Callable[[Path], object] = lambda folder: None


@pytest.fixture(scope="module")
def jobs(tiny, whole):
    run, _ = whole

    def finished(folder):
        shutil.copytree(run, folder)

    def without_results(folder):
        finished(folder)
        for name in AFTER_TRAINING:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def train(folder):
        return ["--resume", f"--output_dir={folder}"] if (folder / "config.json").exists() else flags(tiny, folder)

    def prepare(folder):
        wanted = ("--honbun", "--negaposi", "--model_file", "--vocab_file", "--output_dir", "--max_seq_length")
        return [flag for flag in flags(tiny, folder) if flag.startswith(wanted)]

    return {
        "prepare": Job("prepare", prepare, names),
        "train": Job("train", train, lambda folder: RESULTS),
        "export": Job("train", train, lambda folder: RESULTS, without_results),
        "evaluate": Job(
            "evaluate",
            lambda folder: [str(folder)],
            lambda folder: RESULTS,
            lambda folder: shutil.copytree(run, folder),
        ),
        "index": Job("index", lambda folder: [str(run), f"--output={folder}"], names),
    }


@pytest.fixture(scope="module")
def uninterrupted(jobs, tmp_path_factory):
    """job -> (its folder in the end, how long it took); made when asked for."""
    done = {}

    def get(name):
        if name not in done:
            job, folder = jobs[name], tmp_path_factory.mktemp(name) / "folder"
            job.before(folder)
            done[name] = folder, finish(job.module, job.arguments(folder))
        return done[name]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(KILLS))
@pytest.mark.parametrize("name", JOBS)
def test_killed_at_any_moment_it_ends_as_if_nothing_had_been(jobs, whole, uninterrupted, tmp_path, name, seed):
    job, folder = jobs[name], tmp_path / "folder"
    expected, seconds = whole if name == "train" else uninterrupted(name)
    job.before(folder)
    process = start(job.module, job.arguments(folder))
    time.sleep(np.random.default_rng(seed).uniform(0.05, 0.98) * seconds)
    process.kill()
    process.communicate()
    finish(job.module, job.arguments(folder))
    check_same(expected, folder, job.equal(folder))
    if name in ("train", "export"):
        check_history(expected, folder)


def test_a_closed_terminal_ends_the_training_too():
    stop, before = StopOnSignal(), signal.getsignal(signal.SIGHUP)
    stop.on_train_begin()
    os.kill(os.getpid(), signal.SIGHUP)
    assert stop.received == signal.SIGHUP and signal.getsignal(signal.SIGHUP) == before
    stop.on_train_end()


@pytest.mark.slow
def test_a_signal_ends_it_after_a_step_that_is_kept(whole, tiny, tmp_path, capsys):
    whole, _ = whole
    number = signal.SIGTERM
    folder = tmp_path / "run"
    process = start("train", flags(tiny, folder))
    for line in process.stdout:
        if line.startswith("step ") and "pairs/s" in line:  # not the evaluation of the start
            process.send_signal(number)
            break
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    command = f"python -m keras_negaposi.train --resume --output_dir {folder}"
    message, step = errors.strip().splitlines()[-1], json.loads((folder / "history.json").read_text())[-1]["step"]
    assert message.startswith("stopped at step ") and message.endswith(f", checkpoint saved; continue with: {command}")
    assert step <= int(message.split()[3].rstrip(",")) < STEPS
    assert main(["--resume", "--output_dir", str(folder)]) == 0
    assert f"resumed at step {message.split()[3].rstrip(',')}" in capsys.readouterr().out
    check_same(whole, folder, RESULTS)
    check_history(whole, folder)
