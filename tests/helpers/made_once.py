"""Folders that all processes of a test session share."""

import os

from filelock import FileLock


def made_once(factory, name, make):
    """Returns a folder that ``make`` fills when the first test of any process asks for it; tests must not change it.

    Args:
        factory: pytest's ``tmp_path_factory``.
        name: of the folder; the same name means the same content.
        make: called with the folder, which does not exist yet.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process of pytest-xdist has its own folder in that of the session
    folder, done = base / name, base / f"{name}.done"
    with FileLock(base / f"{name}.lock"):
        if not done.exists():
            make(folder)
            done.touch()
    return folder
