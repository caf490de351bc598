"""Whatever ends a run early: what was done is kept, the next one goes on, and nothing half-written stays."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from checkpoints_tools import lock
from checkpoints_tools.errors import InputError
from checkpoints_tools.lock import Owner, locked
from keras_negaposi.config import PrepareConfig
from keras_negaposi.inputs import read_inputs
from keras_negaposi.records import prepare
from keras_negaposi.tokenizer import Tokenizer
from keras_negaposi.train import main

SAME = ("metrics.json", "scores_test.tsv")
STEPS = 30


def flags(tiny, folder):
    options = tiny.flags | {
        "output_dir": str(folder),
        "max_seq_length": 37,
        "train_batch_size": 16,
        "num_train_epochs": STEPS * 16 / 180,
        "save_checkpoints_steps": 7,
        "log_every_steps": 2,
        "learning_rate": 0.003,
        "precision": "float32",
        "rank_queries": 2,
    }
    return [f"--{name}={value}" for name, value in options.items()]


def start(arguments):
    command = [sys.executable, "-m", "keras_negaposi.train", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """An uninterrupted run, and how long it took."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    began = time.perf_counter()
    process = start(flags(tiny, folder))
    assert process.wait() == 0, process.stderr.read()
    return folder, time.perf_counter() - began


def names(folder):
    """Of all files but TensorBoard's, of which each process writes one."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if not name.startswith("tensorboard")}


def check_as_whole(whole, folder):
    for name in SAME:
        assert (folder / name).read_text() == (whole / name).read_text(), name
    assert names(folder) == names(whole)
    steps, expected = (
        [point["step"] for point in json.loads((run / "history.json").read_text())] for run in (folder, whole)
    )
    assert set(expected) <= set(steps) and steps == sorted(set(steps))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("KERAS_NEGAPOSI_KILLS", "1"))))
def test_killed_at_any_moment_it_ends_as_if_nothing_had_been(whole, tiny, tmp_path, seed):
    whole, seconds = whole
    folder = tmp_path / "run"
    process = start(flags(tiny, folder))
    time.sleep(np.random.default_rng(seed).uniform(0.2, 0.95) * seconds)
    process.kill()
    process.communicate()
    arguments = ["--resume", f"--output_dir={folder}"] if (folder / "config.json").exists() else flags(tiny, folder)
    resumed = start(arguments)
    output, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    check_as_whole(whole, folder)


@pytest.mark.slow
def test_a_signal_ends_it_after_a_step_that_is_kept(whole, tiny, tmp_path, capsys):
    whole, _ = whole
    number = signal.SIGTERM
    folder = tmp_path / "run"
    process = start(flags(tiny, folder))
    for line in process.stdout:
        if line.startswith("step "):
            process.send_signal(number)
            break
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    command = f"python -m keras_negaposi.train --resume --output_dir {folder}"
    told, step = errors.strip().splitlines()[-1], json.loads((folder / "history.json").read_text())[-1]["step"]
    assert told.startswith("stopped at step ") and told.endswith(f", which is kept; go on with: {command}")
    assert step <= int(told.split()[3].rstrip(",")) < STEPS
    assert main(["--resume", "--output_dir", str(folder)]) == 0
    assert f"resumed at step {told.split()[3].rstrip(',')}" in capsys.readouterr().out
    check_as_whole(whole, folder)


def test_one_process_at_a_time(tmp_path, tiny, capsys):
    folder = tmp_path / "run"
    with locked(str(folder)):
        assert main(flags(tiny, folder)) == 2
        error = capsys.readouterr().err
        assert f"{folder}: in use by process {os.getpid()} on {socket.gethostname()}, since 20" in error
        assert error.count("\n") == 1 and os.listdir(folder) == [lock.NAME]
    assert not os.listdir(folder)


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, capsys, scheme):
    folder = f"{scheme}{tmp_path}/folder"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    now, here = time.time(), socket.gethostname()
    for owner, gone in [
        (Owner(here, dead.pid, now, now), True),
        (Owner(here, os.getpid(), now - 9e5, now - 9e5), False),
        (Owner("elsewhere", 1, now, now - lock.STALE_S / 2), False),
        (Owner("elsewhere", 1, now, now - lock.STALE_S * 2), True),
    ]:
        lock.make_folder(folder)
        lock.remove(f"{folder}/{lock.NAME}")
        lock.write_text(f"{folder}/{lock.NAME}", lock._content(owner))
        if gone:
            with locked(folder):
                assert "taken over from process" in capsys.readouterr().out
            assert not lock.exists(f"{folder}/{lock.NAME}")
        else:
            with pytest.raises(InputError, match="in use by process"), locked(folder):
                pass
            assert lock._read(f"{folder}/{lock.NAME}") == owner


def test_the_lock_is_kept_fresh_and_given_back_on_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "BEAT_S", 0.01)
    with pytest.raises(ZeroDivisionError), locked(str(tmp_path)):
        first = lock._read(str(tmp_path / lock.NAME))
        time.sleep(0.2)
        later = lock._read(str(tmp_path / lock.NAME))
        assert later.beat > first.beat and later.since == first.since
        raise ZeroDivisionError
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("damage", ["flipped", "cut", "short", "missing"])
def test_damaged_records_are_named_and_refused(tiny, tmp_path, monkeypatch, damage):
    monkeypatch.setattr("keras_negaposi.records.PAIRS_A_SHARD", 50)
    config = PrepareConfig(**tiny.flags, max_seq_length=37)
    inputs = read_inputs(config, Tokenizer(config.model_file, config.vocab_file))
    records = prepare(inputs, str(tmp_path))
    file = records.files("train")[1]
    content = open(file, "rb").read()
    size = len(content) // 45  # 180 pairs in four files: all are of one length
    changed = {
        "flipped": content[:700] + bytes([content[700] ^ 1]) + content[701:],
        "cut": content[:-10],
        "short": content[:-size],
    }
    assert len(content) == 45 * size
    os.remove(file)
    if damage in changed:
        with open(file, "wb") as out:
            out.write(changed[damage])
    with pytest.raises(InputError, match=f"{os.path.basename(file)}: missing or damaged; remove {tmp_path}, and"):
        prepare(inputs, str(tmp_path))
