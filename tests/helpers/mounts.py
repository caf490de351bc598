"""File systems that a test mounts, where it may."""

import subprocess

import pytest


def mounted(path, *arguments):
    """Mounts at ``path``; skips the test where that is not allowed."""
    found = subprocess.run(["mount", *arguments, str(path)], capture_output=True, text=True)
    if found.returncode:
        pytest.skip(f"needs the right to mount: {found.stderr.strip()}")
