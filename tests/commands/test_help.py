"""``--help`` of every command is quick, and lists what a newcomer needs first."""

import subprocess
import sys
import time

import pytest

from checkpoints_tools.common.cli import make_parser
from keras_negaposi.config.given import add_options
from tests.helpers.commands import COMMANDS as CONFIGS

COMMANDS = (
    "keras_negaposi",
    *(
        f"keras_negaposi.{name}"
        for name in (
            *("train", "prepare", "evaluate", "predict", "export"),
            *("baseline", "index", "suggest", "serve", "pairs", "doctor"),
        )
    ),
    "keras_negaposi.sample.make",
    "checkpoints_tools",
)
MOST_S = 1.0


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
    while not seconds or (min(seconds) >= MOST_S and len(seconds) < 3):  # again if the machine was busy
        started = time.perf_counter()
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        seconds.append(time.perf_counter() - started)
        assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout and ("(default: " in result.stdout or "COMMAND" in result.stdout)
    assert min(seconds) < MOST_S


HEADINGS = {
    "train": [
        *("data", "model", "training", "output", "train/test split", "options of some heads"),
        *("distillation from another run", "exit code, for scripts", "devices and workers", "advanced options"),
    ],
    "prepare": ["data", "model", "output", "train/test split", "devices and workers", "advanced options"],
    "baseline": ["data", "model", "output", "train/test split", "advanced options"],
    "evaluate": ["data", "model", "output", "exit code, for scripts", "advanced options"],
    "export": ["output"],
    "predict": ["data", "model", "output", "devices and workers", "advanced options"],
    "index": ["data", "model", "output", "devices and workers", "advanced options"],
    "suggest": ["query", "model", "output", "exit code, for scripts", "advanced options"],
    "pairs": ["data", "output", "advanced options"],
    "serve": ["data", "model", "output", "who may ask", "advanced options"],
    "doctor": ["devices and workers"],
    "make": ["output", "advanced options"],
}
FIRST = {"train": "honbun", "prepare": "honbun", "baseline": "honbun", "suggest": "title", "pairs": "format"}


@pytest.mark.parametrize("command", CONFIGS)
def test_help_has_headings_in_order(command):
    parser = make_parser("x", "")
    add_options(parser, CONFIGS[command][2])
    lines = parser.format_help().splitlines()
    headings = [line[:-1] for line in lines if line and line[0] != " " and line.endswith(":")]
    assert headings == ["options", *HEADINGS[command]]
    flags = [line.split()[0] for line in lines if line.startswith("  --")]
    assert flags[:2] == ["--config", f"--{FIRST.get(command, flags[1][2:])}"]
    assert set(flags[1:]) == {
        f"--{field.name}" for field in CONFIGS[command][2].__dataclass_fields__.values() if not field.metadata["hidden"]
    }
