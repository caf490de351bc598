"""``--help`` of every command is quick, because TensorFlow is imported only when work starts."""

import subprocess
import sys
import time

import pytest

COMMANDS = (
    *(
        f"keras_negaposi.{name}"
        for name in ("train", "prepare", "evaluate", "predict", "baseline", "index", "suggest", "pairs", "doctor")
    ),
    "keras_negaposi.sample.make",
    "checkpoints_tools",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_quick_and_imports_no_tensorflow(command):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['x', '--help']\n"
        "try:\n"
        f"    runpy.run_module('{command}', run_name='__main__')\n"
        "finally:\n"
        "    heavy = {'tensorflow', 'sklearn', 'numpy', 'tf_keras'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        seconds.append(time.perf_counter() - started)
        assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout and ("(default: " in result.stdout or "COMMAND" in result.stdout)
    assert min(seconds) < 1.0
