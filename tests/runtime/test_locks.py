"""Tests of the lock on a folder: between containers, after a kill, and with damaged lock files."""

import json
import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common import processes
from checkpoints_tools.common.errors import InputError
from keras_negaposi.runtime import folder_lock
from keras_negaposi.runtime.folder_lock import Owner, locked
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

HOLD = """
import os, sys, time
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.streams import printed
from keras_negaposi.runtime.folder_lock import locked
try:
    with printed(), locked(sys.argv[1]):
        print("in", os.getpid(), flush=True)
        if len(sys.argv) > 2:
            os.kill(os.getpid(), 9) if os.getpid() > 1 else os._exit(9)
        sys.stdin.read()
except InputError as error:
    print(error, flush=True)
"""
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def start(folder, *arguments, container=False):
    command = [*(CONTAINER if container else []), sys.executable, "-c", HOLD, str(folder), *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def containers():
    """Skips the test where new namespaces are not allowed."""
    found = subprocess.run([*CONTAINER, "true"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"needs PID namespaces: {found.stderr.strip()}")


def put(folder, **values):
    now = time.time()
    values = {"host": folder_lock.socket.gethostname(), "pid": os.getpid(), "since": now, "beat": now} | values
    (folder / folder_lock.NAME).write_text(json.dumps(values))


def here():
    return {
        "boot": processes.boot_id(),
        "namespace": processes.pid_namespace(),
        "started": processes.start_time(os.getpid()),
    }


def test_containers_with_one_host_name_keep_each_other_out(tmp_path):
    containers()
    first = start(tmp_path, container=True)
    assert first.stdout.readline() == "in 1\n"
    for container in (True, False):
        refused, _ = start(tmp_path, container=container).communicate(timeout=30)
        assert f"{tmp_path}: in use by process 1 on " in refused and str(tmp_path / folder_lock.NAME) in refused
    first.communicate("", timeout=30)
    assert not os.listdir(tmp_path)


def test_a_container_takes_over_what_process_1_of_the_last_one_left(tmp_path):
    containers()
    start(tmp_path, "die", container=True).communicate(timeout=30)
    assert os.listdir(tmp_path) == [folder_lock.NAME]
    taken, _ = start(tmp_path, container=True).communicate("", timeout=30)
    assert "taken over from process 1 on " in taken and taken.endswith("in 1\n")
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("kernel_locks", [True, False])
def test_a_reused_number_is_another_process(tmp_path, monkeypatch, kernel_locks):
    if not kernel_locks:
        monkeypatch.setattr(folder_lock.processes, "try_lock", lambda descriptor: None)
        monkeypatch.setattr(folder_lock, "SETTLE_S", 0.01)
    if here()["started"] is None:
        pytest.skip("needs /proc")
    put(tmp_path, **here())
    with pytest.raises(InputError, match="in use by process"), locked(str(tmp_path)):
        pass
    put(tmp_path, **here() | {"started": here()["started"] - 1})
    with locked(str(tmp_path)):
        pass
    put(tmp_path, **here(), pid=2**22 + 1)
    with locked(str(tmp_path)):
        pass
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("age, gone", [(folder_lock.STALE_S / 2, False), (folder_lock.STALE_S * 2, True)])
@pytest.mark.parametrize(
    "other", [{"namespace": "pid:[1]"}, {"boot": "another"}, {"host": "elsewhere"}, {"host": "elsewhere", "boot": ""}]
)
def test_without_kernel_locks_the_beat_tells(tmp_path, monkeypatch, other, age, gone):
    monkeypatch.setattr(folder_lock.processes, "try_lock", lambda descriptor: None)
    monkeypatch.setattr(folder_lock, "SETTLE_S", 0.01)
    put(tmp_path, **here() | {"beat": time.time() - age} | other)
    if gone:
        with locked(str(tmp_path)):
            pass
        assert not os.listdir(tmp_path)
    else:
        with (
            pytest.raises(InputError, match=f"in use by .*remove {tmp_path / folder_lock.NAME}"),
            locked(str(tmp_path)),
        ):
            pass


def test_after_a_restart_of_the_machine_a_few_missed_beats_are_enough(tmp_path):
    put(tmp_path, **here() | {"boot": "before"}, beat=time.time() - 30)
    with pytest.raises(InputError, match="in use by"), locked(str(tmp_path)):
        pass
    put(tmp_path, **here() | {"boot": "before"}, beat=time.time() - 4 * folder_lock.BEAT_S)
    with locked(str(tmp_path)):
        pass


def test_a_killed_process_that_its_parent_has_not_asked_for_is_dead(tmp_path):
    process = start(tmp_path, "die")
    process.stdout.read()
    for _ in range(100):
        if not processes.runs(process.pid):
            break
        time.sleep(0.05)
    assert process.returncode is None and not processes.runs(process.pid)
    with locked(str(tmp_path)):
        pass
    process.wait()


def test_only_the_own_lock_is_removed(tmp_path):
    with locked(str(tmp_path)):
        os.remove(tmp_path / folder_lock.NAME)
        put(tmp_path, pid=4711)
    assert json.loads((tmp_path / folder_lock.NAME).read_text())["pid"] == 4711


def test_without_proc(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "_read", lambda path: "")
    monkeypatch.setattr(processes.os, "readlink", lambda path: (_ for _ in ()).throw(OSError()))
    processes.boot_id.cache_clear()
    try:
        assert (processes.boot_id(), processes.pid_namespace(), processes.start_time(os.getpid())) == ("", "", None)
        for pid, gone in ((os.getpid(), False), (2**22 + 1, True)):
            owner = Owner(folder_lock.socket.gethostname(), pid, time.time(), time.time())
            assert [owner.is_gone(free) for free in (True, None)] == 2 * [gone]
        with locked(str(tmp_path)):
            assert folder_lock._parse((tmp_path / folder_lock.NAME).read_bytes(), "").boot == ""
    finally:
        processes.boot_id.cache_clear()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_lock_file_that_is_none_is_left_alone(tmp_path, kind):
    path = tmp_path / folder_lock.NAME
    (tmp_path / "victim").write_text("mine")
    {"link": lambda: path.symlink_to("victim"), "pipe": lambda: os.mkfifo(path), "folder": path.mkdir}[kind]()
    with pytest.raises((InputError, OSError), match=folder_lock.NAME), locked(str(tmp_path)):
        pass
    assert (tmp_path / "victim").read_text() == "mine" and os.path.lexists(path)


GOOD = {"host": "elsewhere", "pid": 7, "since": 1e9, "beat": 2e9, "boot": "b", "namespace": "n", "started": 12}


@bounded
@given(
    st.one_of(json_mutations(GOOD).map(lambda value: json.dumps(value).encode()), mutations(json.dumps(GOOD).encode()))
)
def test_property_of_the_lock_file(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("lock")
    (folder / folder_lock.NAME).write_bytes(content)

    def call():
        with locked(str(folder)):
            return True

    found = succeeds_or_explains(call)
    assert os.listdir(folder) == ([] if found is True else [folder_lock.NAME])
    if found is not True:
        assert (folder / folder_lock.NAME).read_bytes() == content and folder_lock.NAME in str(found)
