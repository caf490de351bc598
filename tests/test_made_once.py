"""The folders that the processes of a test session share are made by one of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.made_once import made_once

PROCESS = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from tests.helpers.made_once import made_once

def make(folder):
    folder.mkdir()
    time.sleep(0.5)
    (folder / "made").write_text(sys.argv[1])

factory = SimpleNamespace(getbasetemp=lambda: Path(sys.argv[1]))
print((made_once(factory, "shared", make) / "made").read_text())
"""


def test_several_processes_get_the_folder_of_the_first(tmp_path):
    def start(name):
        command = [sys.executable, "-c", PROCESS, str(tmp_path / name)]
        environment = os.environ | {"PYTEST_XDIST_WORKER": name}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
        )

    processes = [start(name) for name in ("gw0", "gw1", "gw2")]
    contents = {process.communicate(timeout=60)[0] for process in processes}
    assert len(contents) == 1 and contents != {""}
    assert (tmp_path / "shared/made").is_file()


def test_a_process_alone_has_a_folder_of_its_own_and_tries_again_after_a_failure(tmp_path, monkeypatch):
    class Factory:
        getbasetemp = staticmethod(lambda: tmp_path)

    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    with pytest.raises(FileNotFoundError):
        made_once(Factory, "mine", lambda folder: (folder / "absent").write_text(""))
    made = [made_once(Factory, "mine", Path.mkdir) for _ in range(2)]
    assert made == [tmp_path / "mine"] * 2 and made[0].is_dir()
