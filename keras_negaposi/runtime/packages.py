"""Which packages are installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu")
"""The same module by three names; one is enough, and two overwrite each other's files."""


def installed(name: str) -> str | None:
    """The version of a package, ``None`` where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
