"""A full or read-only disk: one line of error, and once that is fixed the job continues to the same result."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.forked import Python
from tests.helpers.mounts import mounted

EPOCHS = 8 * 32 / 180
MOMENTS = int(os.environ.get("KERAS_NEGAPOSI_KILLS", "1"))
RESULTS = ("metrics.json", "scores_test.tsv", "eval_results.txt")


class Disk:
    """A file system in memory whose size and permissions can be changed."""

    def __init__(self, path, size):
        self.path = path
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    def change(self, options):
        self._mount("-o", f"remount,{options}")

    def _mount(self, *arguments):
        mounted(self.path, *arguments)


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    yield lambda size: Disk(path, size)
    subprocess.run(["umount", "--lazy", str(path)], capture_output=True)


def call(module, arguments):
    """Returns (exit code, our lines of stderr)."""
    process = Python("-m", f"keras_negaposi.{module}", *arguments)
    _, errors = process.communicate()
    assert "Traceback" not in errors, errors
    return process.returncode, [line for line in errors.splitlines() if line.startswith("python -m")]


def flags(tiny, folder, names=None):
    options = {"max_seq_length": 37, "output_dir": folder, "save_checkpoints_steps": 3, "num_train_epochs": EPOCHS}
    options |= tiny.flags | {"precision": "float32", "rank_queries": 0, "head": "vector"}
    return [f"--{name}={value}" for name, value in options.items() if not names or name in names]


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert call("train", flags(tiny, folder)) == (0, [])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("size, file", [("900k", "checkpoints/ckpt-3"), ("2500k", "saved_model.pb")][:MOMENTS])
def test_a_training_on_a_full_disk(run, tiny, disk, size, file):
    small = disk(size)
    folder = small.path / "run"
    code, error = call("train", flags(tiny, folder))
    assert code == 2 and len(error) == 1 and file in error[0], error
    assert "No space left on device; free some space, then run the same command again, with --resume" in error[0]
    small.change("size=50m")
    assert call("train", ["--resume", f"--output_dir={folder}"]) == (0, [])
    for name in RESULTS:
        assert (folder / name).read_bytes() == (run / name).read_bytes()


@pytest.mark.slow
def test_an_index_on_a_full_disk_and_what_may_only_be_read(run, tiny, disk):
    small = disk("30k")
    index = [str(run), f"--output={small.path / 'index'}"]
    records = flags(tiny, small.path / "records", ("honbun", "negaposi", "model_file", "vocab_file", "output_dir"))
    code, error = call("index", index)
    assert code == 2 and len(error) == 1 and f"{small.path}" in error[0], error
    assert "No space left on device" in error[0]
    small.change("size=50m")
    assert call("index", index) == (0, [])
    content = {path: path.read_bytes() for path in Path(small.path / "index").rglob("*") if path.is_file()}
    small.change("ro")
    for module, arguments in (("index", index), ("prepare", records), ("train", flags(tiny, small.path / "new"))):
        code, error = call(module, arguments)
        assert code == 2 and len(error) == 1 and "Read-only file system" in error[0], (module, error)
    assert content == {path: path.read_bytes() for path in content}
