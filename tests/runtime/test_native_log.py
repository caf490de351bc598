"""TensorFlow's native messages: hidden by default, and shown to the user who asks for them."""

import os
import subprocess
import sys

import pytest

from checkpoints_tools.common import native_log

COMPILE = """
import keras_negaposi
from keras_negaposi.modeling import xla_ops
import tensorflow as tf
print(float(xla_ops.activation(tf.nn.relu)(tf.ones([]))))
"""


def compiled(**environment):
    """The result of a process that compiles with XLA."""
    inherited = {name: value for name, value in os.environ.items() if name != native_log.LEVEL}
    return subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=120, env=inherited | environment
    )


def test_the_first_compilation_is_silent():
    result = compiled()
    assert (result.stdout, result.stderr) == ("1.0\n", "")


def test_a_user_who_asks_for_the_messages_gets_them():
    result = compiled(**{native_log.LEVEL: "0"})
    assert result.stdout == "1.0\n" and "Compiled cluster using XLA!" in result.stderr


@pytest.mark.parametrize("is_there, level", [(True, native_log.ERRORS), (False, native_log.NOTHING)])
def test_errors_are_hidden_only_where_there_is_no_accelerator(is_there, level, tmp_path, monkeypatch):
    (tmp_path / "driver").write_text("")
    monkeypatch.setattr(native_log, "ACCELERATORS", [str(tmp_path / ("driver" if is_there else "gone"))])
    monkeypatch.delenv(native_log.LEVEL)
    native_log.limit()
    assert os.environ[native_log.LEVEL] == level


def test_the_users_level_stays(monkeypatch):
    monkeypatch.setenv(native_log.LEVEL, "1")
    native_log.limit()
    assert os.environ[native_log.LEVEL] == "1"
