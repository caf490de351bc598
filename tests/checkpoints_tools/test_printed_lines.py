"""Lines that the package says: records of a logger, which only commands print."""

import io
import subprocess
import sys

import pytest

from checkpoints_tools.common.progress import Ticker, reported_to
from checkpoints_tools.common.streams import say

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


def test_lines_are_printed_once_where_a_library_configures_the_root_logger():
    code = f"{LIBRARY}\nwith printed(): logging.warning('careful'); say('二行')"
    assert output_of(code) == ("二行\n", "WARNING:root:careful\n")


def test_every_item_is_reported_within_the_block():
    calls = []
    with reported_to(lambda *call: calls.append(call)):
        list(Ticker("working", 2).watch("ab"))
    Ticker("working", 2)(1)
    assert calls == [(1, 2, "working"), (2, 2, "working")]
