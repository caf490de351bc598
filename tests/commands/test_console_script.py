"""``negaposi COMMAND`` is ``python -m keras_negaposi.COMMAND``; without a command it lists them."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

import keras_negaposi
from keras_negaposi import __main__ as script
from tests.helpers.commands import COMMANDS, refusal

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def own_argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["negaposi"])


def test_the_script_is_declared():
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][
        "negaposi"
    ].partition(":")
    assert getattr(importlib.import_module(module), function) is script.main


def test_every_command_is_listed():
    assert set(script.COMMANDS) == COMMANDS.keys() - {"make"}


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_list_says_what_each_command_does(arguments, capsys):
    if arguments:
        with pytest.raises(SystemExit, match="0"):
            script.main(arguments)
    else:
        assert script.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  train     trains, evaluates and exports a pair classifier." in lines
    for command in script.COMMANDS:
        [line] = [line for line in lines if line.split()[:1] == [command]]
        assert len(line.split()) > 4


@pytest.mark.parametrize("command", script.COMMANDS)
def test_a_command_gets_its_own_flags(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        script.main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m keras_negaposi.{command} ")
    assert sys.argv[1:] == ["--help"]  # what a run saves as its command


def test_a_command_returns_its_exit_code(capsys):
    assert "--honbun is missing" in refusal(script.main, ["prepare", "--negaposi", "n"], capsys)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["trian", "--seed", "1"], 'unknown command "trian"; did you mean train?'),
        (["sugest", "index"], "did you mean suggest?"),
        (["x" * 100_000], "unknown command"),
        (["--versoin"], "unrecognized arguments: --versoin; did you mean --version?"),
    ],
    ids=["a typo", "another", "long", "a flag"],
)
def test_an_unknown_command_is_refused(arguments, words, capsys):
    assert words in refusal(script.main, arguments, capsys)


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit, match="0"):
        script.main(["--version"])
    assert capsys.readouterr().out == f"keras_negaposi {keras_negaposi.__version__}\n"


def test_an_unknown_flag_is_compared_with_the_known_ones(capsys):
    main = COMMANDS["train"][0]
    assert "--leaning_rate 1; did you mean --learning_rate?" in refusal(main, ["--leaning_rate", "1"], capsys)
    assert "did you mean" not in refusal(main, ["--zzz"], capsys)
