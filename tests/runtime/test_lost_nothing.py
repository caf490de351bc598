"""Tests that a second process is kept out of a folder, and that incomplete records are reported."""

import os
import socket
import subprocess
import sys
import time

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PrepareConfig
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.runtime import folder_lock
from keras_negaposi.runtime.folder_lock import Owner, locked
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.train import main


def test_one_process_at_a_time(tmp_path, tiny, capsys):
    folder = tmp_path / "run"
    flags = tiny.flags | {"output_dir": folder, "max_seq_length": 37}
    with locked(str(folder)):
        assert main([f"--{name}={value}" for name, value in flags.items()]) == 2
        error = capsys.readouterr().err
        assert f"{folder}: in use by process {os.getpid()} on {socket.gethostname()}, since 20" in error
        assert error.count("\n") == 1 and os.listdir(folder) == [folder_lock.NAME]
    assert not os.listdir(folder)


COMER = """
import sys, time
from checkpoints_tools.common.errors import InputError
from keras_negaposi.runtime.folder_lock import locked
time.sleep(max(0, float(sys.argv[2]) - time.time()))
try:
    with locked(sys.argv[1]):
        print("in", flush=True)
        time.sleep(2)
except InputError:
    print("refused", flush=True)
"""


@pytest.mark.parametrize("left", [None, "", "dead"])
def test_of_several_that_come_at_once_one_gets_in(tmp_path, left):
    dead = Owner(socket.gethostname(), 2**22 + 1, 0.0, 0.0)
    if left is not None:
        (tmp_path / folder_lock.NAME).write_text(folder_lock._content(dead) if left else "")
    command = [sys.executable, "-c", COMER, str(tmp_path), str(time.time() + 2)]
    comers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    last_lines = [comer.communicate(timeout=60)[0].splitlines()[-1] for comer in comers]
    assert sorted(last_lines) == ["in"] + 5 * ["refused"]
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, capsys, scheme):
    folder = f"{scheme}{tmp_path}/folder"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    now, here = time.time(), socket.gethostname()
    for owner, gone in [
        (Owner(here, dead.pid, now, now), True),
        (Owner(here, os.getpid(), now, now - 9e5), False),
        (Owner(here, os.getpid(), now - 9e5, now), True),  # another process has the number now
        (Owner("elsewhere", 1, now, now - folder_lock.STALE_S / 2), False),
        (Owner("elsewhere", 1, now, now - folder_lock.STALE_S * 2), True),
    ]:
        folder_lock.make_folder(folder)
        folder_lock.remove(f"{folder}/{folder_lock.NAME}")
        folder_lock.write_text(f"{folder}/{folder_lock.NAME}", folder_lock._content(owner))
        if gone:
            with locked(folder):
                assert "taken over from process" in capsys.readouterr().out
            assert not folder_lock.exists(f"{folder}/{folder_lock.NAME}")
        else:
            with pytest.raises(InputError, match="in use by process"), locked(folder):
                pass
            assert folder_lock._read(f"{folder}/{folder_lock.NAME}") == owner


def test_the_lock_is_kept_fresh_and_given_back_on_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "BEAT_S", 0.01)
    kept, left = tmp_path / "metrics.json.tmp17", left_by_a_killed_process(tmp_path)
    kept.write_text("somebody's own")
    with pytest.raises(ZeroDivisionError), locked(str(tmp_path)):
        assert kept.exists() and not left.exists()
        first = folder_lock._read(str(tmp_path / folder_lock.NAME))
        time.sleep(0.2)
        later = folder_lock._read(str(tmp_path / folder_lock.NAME))
        assert later.beat > first.beat and later.since == first.since
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == [kept.name]


def left_by_a_killed_process(folder):
    code = (
        "import os, sys\n"
        "from checkpoints_tools.common.files import written\n"
        "with written(sys.argv[1]):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder / "x")], timeout=60)
    return next(folder.glob(".*"))


@pytest.mark.parametrize("damage", ["flipped", "cut", "short", "missing"])
def test_damaged_records_are_named_and_refused(tiny, tmp_path, monkeypatch, damage):
    monkeypatch.setattr("keras_negaposi.input_pipeline.record_folder.PAIRS_A_SHARD", 50)
    config = PrepareConfig(**tiny.flags, max_seq_length=37)
    inputs = read_inputs(config, Tokenizer(config.model_file, config.vocab_file), config.layout)
    records = prepare(inputs, str(tmp_path))
    file = records.files("train")[1]
    content = open(file, "rb").read()
    size = len(content) // 45  # 180 pairs in four files, all of the same length
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
    with pytest.raises(InputError, match=f"{os.path.basename(file)}: missing or damaged; remove {tmp_path} to"):
        prepare(inputs, str(tmp_path))
