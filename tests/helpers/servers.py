"""A real process of ``keras_negaposi.serve``."""

import contextlib
import os
import re
import signal
import subprocess
import sys


class Served:
    """A server that runs."""

    def __init__(self, process, address):
        self.process, self.address = process, address

    def end(self, number=signal.SIGTERM):
        """Sends a signal; returns the exit code and what was on stderr."""
        self.process.send_signal(number)
        errors = self.process.communicate(timeout=60)[1]
        return self.process.returncode, errors


@contextlib.contextmanager
def served(*arguments, **environment):
    """Yields a server on a free port, which ends afterwards."""
    command = [sys.executable, "-u", "-m", "keras_negaposi.serve", *map(str, arguments), "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+:\d+", line)
        assert address, line + process.stderr.read()
        yield Served(process, address[0])
    finally:
        process.kill()
        process.communicate()
