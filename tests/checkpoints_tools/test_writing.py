"""Outputs of every kind: what is replaced, what is written through, and what is never left behind or overwritten."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import staged_folder, staged_tree, sweep, write_text, written
from tests.helpers.mounts import mounted

SLOW_COMMAND = """
import argparse, sys, time
from checkpoints_tools.common.files import staged_folder, written
from keras_negaposi.runtime.folder_lock import locked
from checkpoints_tools.common.cli import make_parser, run_command
folder = sys.argv[1]
def work(arguments):
    with locked(folder + "/locked"), written(folder + "/file") as file, staged_folder(folder + "/new") as staging:
        file.write(b"half")
        open(staging + "/half", "w").close()
        print("started", flush=True)
        time.sleep(60)
sys.exit(run_command(make_parser("slow", ""), work, []))
"""


def start(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COMMAND, str(folder)], stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout.readline() == "started\n"
    return process


def end(process, number):
    process.send_signal(number)
    process.communicate(timeout=30)
    return process.returncode


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    mounted(path, "-t", "tmpfs", "tmpfs")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], capture_output=True)


def test_a_pipe_is_written_to(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    write_text(str(pipe), "本文")
    reader.join(timeout=10)
    assert read == ["本文"] and stat.S_ISFIFO(pipe.stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


def test_a_device_stays_a_device(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.stat("/dev/null").st_rdev)
        write_text(str(device), "x")
    except PermissionError as error:
        pytest.skip(f"needs permission to create a device: {error}")
    assert stat.S_ISCHR(device.stat().st_mode) and os.listdir(tmp_path) == ["null"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_standard_output_is_appended_to(tmp_path, name):
    """Also if it is a file: what the shell has written there stays."""
    os.symlink("/dev/stdout", tmp_path / "link")
    code = "import sys; from checkpoints_tools.common.files import write_text; write_text(sys.argv[1], 'ours')"
    with open(tmp_path / "out", "a") as out:
        out.write("before ")
        out.flush()
        subprocess.run([sys.executable, "-c", code, name], stdout=out, cwd=tmp_path, env=environment(), check=True)
    assert (tmp_path / "out").read_text() == "before ours" and sorted(os.listdir(tmp_path)) == ["link", "out"]


def environment():
    return os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data/target", tmp_path / "link"
    if there:
        target.write_text("old")
    link.symlink_to("data/target")
    (tmp_path / "second").symlink_to("link")
    write_text(str(tmp_path / "second"), "new")
    assert os.readlink(link) == "data/target" and target.read_text() == "new"
    assert os.listdir(target.parent) == ["target"]


def test_planted_links_are_not_followed(tmp_path):
    """Temporary names are unpredictable, unlike ``NAME.tmpPID``."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (f"out.tmp{os.getpid()}", ".keras_negaposi-out.tmp"):
        (tmp_path / name).symlink_to(victim)
    seen = set()
    for _ in range(5):
        with written(str(tmp_path / "out")) as file:
            file.write(b"x")
            seen |= {name for name in os.listdir(tmp_path) if temporary.is_ours(name)}
    assert victim.read_text() == "precious" and len(seen) == 5
    assert len(os.listdir(tmp_path)) == 4


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_follow_the_umask_or_the_replaced_file(tmp_path, mask, mode):
    old = os.umask(mask)
    try:
        write_text(str(tmp_path / "new"), "x")
        (tmp_path / "there").write_text("x")
        os.chmod(tmp_path / "there", 0o640)
        write_text(str(tmp_path / "there"), "y")
        with staged_folder(str(tmp_path / "folder")) as staging:
            (open(f"{staging}/file", "w")).close()
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "there").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "folder/file").stat().st_mode) == mode


def test_another_hard_link_keeps_the_old_content(tmp_path):
    (tmp_path / "a").write_text("old")
    os.link(tmp_path / "a", tmp_path / "backup")
    write_text(str(tmp_path / "a"), "new")
    assert (tmp_path / "backup").read_text() == "old" and (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("name", ["", "folder", "new/", "loop", "none/x"])
def test_a_path_that_cannot_be_a_file_is_named_in_the_error(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError) as error:
        write_text(name, "x")
    assert error.value.filename == name and sorted(os.listdir(tmp_path)) == ["folder", "loop"]


AS_NOBODY = """
import os, sys
from checkpoints_tools.common.files import write_text
os.chdir(sys.argv[1])
os.setuid(65534)
for name in ("read_only", "closed/file", "closed/new"):
    try:
        write_text(name, "new")
        print(name, open(name).read())
    except OSError as error:
        print(name, type(error).__name__, error.filename)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to become another user")
def test_read_only_files_and_folders(tmp_path):
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.relative_to(tempfile.gettempdir()).parents[:-1]:
        os.chmod(tempfile.gettempdir() / parent, 0o755)
    (tmp_path / "closed").mkdir()
    for name, mode in (("read_only", 0o444), ("closed/file", 0o666)):
        (tmp_path / name).write_text("old")
        os.chmod(tmp_path / name, mode)
    os.chmod(tmp_path / "closed", 0o755)
    command = [sys.executable, "-c", AS_NOBODY, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=60)
    assert found.stdout.splitlines() == [
        "read_only PermissionError read_only",
        "closed/file new",
        "closed/new PermissionError closed/new",
    ], found.stderr
    assert (tmp_path / "read_only").read_text() == "old" and os.listdir(tmp_path / "closed") == ["file"]


def test_a_file_that_is_a_mount_point(tmp_path):
    (tmp_path / "source").write_text("old")
    (tmp_path / "file").write_text("hidden")
    mounted(tmp_path / "file", "--bind", str(tmp_path / "source"))
    try:
        write_text(str(tmp_path / "file"), "new")
        assert (tmp_path / "source").read_text() == (tmp_path / "file").read_text() == "new"
        assert sorted(os.listdir(tmp_path)) == ["file", "source"]
    finally:
        subprocess.run(["umount", str(tmp_path / "file")], check=True)


@pytest.mark.parametrize("stage", [staged_folder, staged_tree])
@pytest.mark.parametrize("place", ["mount point", "link to another disk", "link to nothing there"])
def test_a_folder_on_another_disk(tmp_path, disk, place, stage):
    output = tmp_path / "output"
    if place == "mount point":
        output = disk
    elif place == "link to another disk":
        (disk / "there").mkdir()
        (disk / "there/notes.txt").write_text("mine")
        (disk / "there/saved_model.pb").write_text("old")
        output.symlink_to(disk / "there")
    else:
        output.symlink_to(disk / "not/yet")
    with stage(str(output)) as staging:
        assert os.stat(staging).st_dev == os.stat(disk).st_dev
        for name in ("saved_model.pb", "config.json"):
            with open(os.path.join(staging, name), "w") as file:
                file.write("new")
    assert (output / "saved_model.pb").read_text() == "new"
    others = {"notes.txt"} if place == "link to another disk" else set()
    assert set(os.listdir(output)) == {"saved_model.pb", "config.json"} | others
    assert output.is_symlink() == (output != disk)


def test_files_of_a_folder_are_all_replaced_or_none(tmp_path):
    output = tmp_path / "output"
    (output / "variables").mkdir(parents=True)
    for name in ("a.bin", "variables/old", "mine.txt"):
        (output / name).write_text("old")

    def write(*, last):
        with staged_tree(str(output)) as staging:
            os.mkdir(f"{staging}/variables")
            for name in ("a.bin", "variables/new", last):
                with open(os.path.join(staging, name), "w") as file:
                    file.write("new")

    def content():
        return {str(p.relative_to(output)): p.read_text() for p in output.rglob("*") if p.is_file()}

    before = content()
    (output / "z.json").mkdir()
    with pytest.raises(InputError, match=r"z.json: is a folder, but a file must be written there; remove or rename it"):
        write(last="z.json")
    assert content() == before
    os.rmdir(output / "z.json")
    with pytest.MonkeyPatch.context() as patch:  # the disk fails at the last file
        real = os.replace
        patch.setattr(os, "replace", lambda a, b: 1 / 0 if b.endswith("z.json") else real(a, b))
        with pytest.raises(ZeroDivisionError):
            write(last="z.json")
    assert content() == before
    write(last="z.json")
    assert content() == {"a.bin": "new", "variables/new": "new", "z.json": "new", "mine.txt": "old"}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_leaves_nothing(tmp_path, name):
    process = start(tmp_path)
    assert {"locked"} < set(os.listdir(tmp_path))
    number = getattr(signal, name)
    assert end(process, number) == 128 + number
    assert os.listdir(tmp_path) == ["locked"] and not os.listdir(tmp_path / "locked")


def test_an_ignored_signal_stays_ignored(tmp_path):
    command = [sys.executable, "-c", SLOW_COMMAND.replace("sleep(60)", "sleep(0.5)"), str(tmp_path)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    process.stdout.readline()
    assert end(process, signal.SIGHUP) == 0
    assert (tmp_path / "file").read_bytes() == b"half"


def test_only_leftovers_of_our_dead_processes_are_swept(tmp_path):
    for name in ("x.tmp1", ".partial-mine", ".keras_negaposi-notes.tmp", "segment-000001", "draft.tmp17"):
        (tmp_path / name).write_text("mine")
    mine = set(os.listdir(tmp_path))
    living, dead = start(tmp_path), start(tmp_path / "locked")
    of_living = {name for name in os.listdir(tmp_path) if temporary.is_ours(name)}
    assert len(of_living) == 2 and end(dead, signal.SIGKILL) == -signal.SIGKILL
    left = [name for name in os.listdir(tmp_path / "locked") if temporary.is_ours(name)]
    assert len(left) == 2
    sweep(str(tmp_path))
    sweep(str(tmp_path / "locked"))
    assert set(os.listdir(tmp_path)) == mine | of_living | {"locked"}
    assert not [name for name in os.listdir(tmp_path / "locked") if temporary.is_ours(name)]
    assert end(living, signal.SIGTERM) == 128 + signal.SIGTERM
    assert set(os.listdir(tmp_path)) == mine | {"locked"}


def test_a_command_sweeps_where_it_writes(tmp_path):
    assert end(start(tmp_path), signal.SIGKILL) == -signal.SIGKILL
    (tmp_path / "mine.tmp1").write_text("mine")
    write_text(str(tmp_path / "other"), "x")
    assert set(os.listdir(tmp_path)) == {"locked", "mine.tmp1", "other"}


def test_an_empty_path_is_not_this_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for stage in (staged_folder, staged_tree):
        with pytest.raises(InputError, match="path is empty"), stage("") as staging:
            (open(f"{staging}/file", "w")).close()
    assert not os.listdir(tmp_path)


def test_leftovers_of_another_machine_are_swept_after_a_day(tmp_path):
    names = [f"{temporary.PREFIX}{machine}-abcdefg{i}{temporary.SUFFIX}" for i, machine in enumerate(2 * ["00000000"])]
    for name in names:
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / names[0], (0, time.time() - 2 * temporary.OLD_S))
    sweep(str(tmp_path))
    assert os.listdir(tmp_path) == names[1:]


def test_an_input_is_never_the_output(tmp_path):
    source = tmp_path / "source"
    source.write_text("x")
    (tmp_path / "link").symlink_to("source")
    os.link(source, tmp_path / "hard")
    for output in (source, tmp_path / "link", tmp_path / "hard", tmp_path / "." / ".." / tmp_path.name / "source"):
        with pytest.raises(InputError, match=r"^--output .*: is the same file as the input .*; give another path$"):
            outputs.check_not_read("--output", str(output), [None, "-", str(source)])
    for output in (tmp_path / "other", "/dev/null", tmp_path):
        outputs.check_not_read("--output", str(output), [None, str(source), "/dev/null"])
