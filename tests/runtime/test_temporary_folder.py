"""A temporary folder lives as long as what uses it."""

import copy
import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.runtime.temporary_folder import TemporaryFolder


def test_it_is_removed_with_the_last_object_that_uses_it():
    folder = TemporaryFolder()
    path = Path(folder.path)
    (path / "file").write_text("")
    shared = copy.deepcopy([folder])
    del folder
    gc.collect()
    assert (path / "file").exists() and shared
    del shared
    gc.collect()
    assert not path.exists()


def test_it_is_removed_at_the_end_of_the_process():
    code = "from keras_negaposi.runtime.temporary_folder import TemporaryFolder as T; t = T(); print(t.path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() and not os.path.exists(done.stdout.strip())


def test_a_fork_does_not_remove_it():
    code = (
        "import os\nfrom keras_negaposi.runtime.temporary_folder import TemporaryFolder as T\nt = T()\n"
        "if not os.fork(): raise SystemExit\nos.wait()\nprint(os.path.exists(t.path))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_it_cannot_be_pickled():
    with pytest.raises(InputError, match="save it"):
        pickle.dumps(TemporaryFolder())
