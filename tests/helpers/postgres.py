"""A PostgreSQL server of its own on this machine, with a password, that a test may kill and start again."""

import contextlib
import glob
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.helpers.ports import free_ports

PASSWORD = "geheim-1234"
USER = "postgres"
"""Of the system: the server refuses to run as root."""
FEW = {f"doc{n // 6:02d},{n % 6:03d}": f"{n}番目のメモ。りんごを{'洗う' * (n % 3 + 1)}。" for n in range(12)}
"""Pages; too few for a fit, so that an update takes no time."""
NEW = FEW | {"doc01,003": "雲が流れる空を見ていた。", "doc02,000": "新しいページ\0。"}
"""These after a change."""


def _binaries():
    found = shutil.which("initdb") or next(
        iter(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True)), ""
    )
    return Path(found).parent if found else None


def _as_user(command):
    return (
        ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command] if os.geteuid() == 0 else command
    )


class Postgres:
    """``folder`` belongs to the user that runs the server."""

    def __init__(self, folder):
        self.folder, (self.port,) = folder, free_ports(1)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, secret):
                shutil.chown(path, USER, USER)
        command = [
            "initdb",
            "-D",
            folder / "data",
            "-U",
            "negaposi",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--no-locale",
        ]
        self._run([*command, "-N", f"--pwfile={secret}"])
        self.start()

    def _run(self, command):
        command = _as_user([str(_binaries() / command[0]), *map(str, command[1:])])
        subprocess.run(command, check=True, cwd=self.folder, capture_output=True, timeout=600)

    def url(self, index="", user="negaposi", password=PASSWORD, database="postgres", port=None):
        query = f"?index={index}" if index else ""
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}{query}"

    def start(self):
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "fsync": "off", "unix_socket_directories": ""}
        flags = [f"--{name}={value}" for name, value in options.items()]
        command = _as_user([str(_binaries() / "postgres"), "-D", str(self.folder / "data"), *flags])
        end = time.monotonic() + 120
        while time.monotonic() < end:  # A killed server's processes may still be there for a moment.
            with open(self.folder / "log", "a") as log:
                self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
            while self.process.poll() is None and time.monotonic() < end:
                with contextlib.suppress(Exception):
                    self.query("SELECT 1")
                    return
                time.sleep(0.05)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def kill(self):
        """Kills the server and its processes, as a power failure does."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for number in [self.process.pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.wait()

    def connect(self):
        import psycopg

        return psycopg.connect(self.url(), autocommit=True)

    def query(self, sql, *values):
        """Rows."""
        with self.connect() as connection:
            cursor = connection.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def wait_until_blocked(self):
        """Until a statement waits for a table that the test has locked."""
        end = time.monotonic() + 120
        while not self.query("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'relation'"):
            assert time.monotonic() < end
            time.sleep(0.02)


@contextlib.contextmanager
def started():
    """Skips the test where there is no server to start."""
    if not importlib.util.find_spec("psycopg"):
        pytest.skip("needs the extra postgres")
    if not _binaries():
        pytest.skip("needs PostgreSQL (Debian: apt install postgresql)")
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.kill()
