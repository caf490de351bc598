"""Versions of the installed packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu")
"""Three packages that install the same module. One is enough, and two overwrite each other's files."""


def installed(name: str) -> str | None:
    """Returns the version of a package, or ``None`` if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
