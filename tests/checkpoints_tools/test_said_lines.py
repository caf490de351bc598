"""Lines that the package says: records of a logger, which only commands print."""

import io
import logging
import subprocess
import sys

import pytest

from checkpoints_tools.common.progress import Ticker, reported_to
from checkpoints_tools.common.streams import LOGGER, printed, say

LIBRARY = "from checkpoints_tools.common.streams import printed, say; import logging; say('一行')"


def output_of(code):
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout, done.stderr


def test_the_library_is_quiet_until_logging_is_configured():
    assert output_of(LIBRARY) == ("", "")
    configured = f"{LIBRARY}; logging.basicConfig(level=logging.INFO); say('二行')"
    assert output_of(configured) == ("", "INFO:keras_negaposi:二行\n")


def test_lines_are_printed_within_the_block_only_and_once():
    assert output_of(f"{LIBRARY}\nwith printed():\n with printed(): say('二行')\n say('三行')\nsay('四行')") == (
        "二行\n三行\n",
        "",
    )


def test_warnings_of_other_loggers_are_not_printed(capsys):
    logging.getLogger("keras_negaposi.somewhere").warning("careful")
    assert not capsys.readouterr().out


def test_a_closed_stdout_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    say("lost")


def test_an_error_in_writing_is_raised(monkeypatch):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(OSError, match="No space"):
        say("lost")


def test_the_level_is_restored():
    before = LOGGER.level, list(LOGGER.handlers)
    with printed():
        pass
    assert (LOGGER.level, LOGGER.handlers) == before


def test_every_item_is_reported_within_the_block():
    calls = []
    with reported_to(lambda *call: calls.append(call)):
        list(Ticker("working", 2).watch("ab"))
    Ticker("working", 2)(1)
    assert calls == [(1, 2, "working"), (2, 2, "working")]
