"""Python processes that start with TensorFlow and the rooms loaded: real ones, without the seconds of these imports.

The fork server of the standard library imports the packages once for each process of pytest. It runs no operation of
TensorFlow, so a fork of it is like a process that has just imported them.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
import threading

from tests.helpers.gcs import RETRIES

LOADED = (
    "tests.helpers.collector",
    *("keras_negaposi.training.multi_run", "keras_negaposi.training.run", "keras_negaposi.retrieval.build"),
)
"""The commands themselves are not loaded: each process runs its command as ``__main__``."""
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([*LOADED])
os.environ |= RETRIES  # for the server: a process that it forks cannot change them any more


class Python:
    """A started ``python ARGUMENTS``, where these are ``-m MODULE ...``, ``-c CODE ...`` or ``SCRIPT ...``.

    It is used as a `subprocess.Popen` with pipes of text.
    """

    def __init__(self, *arguments, environment=None, folder=".", merged=False):
        """``environment`` and ``folder`` replace this process's; with ``merged``, stdout also gets stderr's text."""
        reader, writer = _SERVER.Pipe(duplex=False)
        self.stdout, self.returncode = os.fdopen(os.dup(reader.fileno())), None
        self._errors = None if merged else tempfile.NamedTemporaryFile("r")
        given = [str(argument) for argument in arguments], dict(environment or os.environ), str(folder)
        self._process = _SERVER.Process(
            target=_run, args=(*given, writer, self._errors and self._errors.name), daemon=True
        )
        self._process.start()
        for end in (reader, writer):
            end.close()

    def poll(self):
        """The exit code, negative for a signal; ``None`` while it runs."""
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def kill(self):
        self._process.kill()

    def communicate(self, timeout=300):
        """Returns the rest of stdout, and all of stderr; kills the process after ``timeout`` seconds."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        with self.stdout:
            output = self.stdout.read()
        self._process.join()
        timer.cancel()
        self.returncode = self._process.exitcode
        if self._errors is None:
            return output, ""
        with self._errors:
            return output, self._errors.read()


def _run(arguments, environment, folder, output, errors):
    """What the new process does."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    os.dup2(output.fileno(), 1)
    os.dup2(os.open(errors, os.O_WRONLY) if errors else 1, 2)
    output.close()
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", buffering=1, closefd=False)
    kind, *rest = arguments
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")
