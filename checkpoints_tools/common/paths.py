"""Checks paths, and tells local paths from remote ones."""

from __future__ import annotations

import re

from checkpoints_tools.common.errors import InputError, quoted

SCHEMES = ("gs", "file", "ram")
"""Schemes that ``tf.io.gfile`` of TensorFlow 2.20 supports; s3:// and hdfs:// have moved to separate packages."""
_SCHEME = re.compile("([^/]*)://")
LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Limits of Linux in bytes."""


def path_problem(path: str) -> str | None:
    """Explains why a path is invalid, with the fix; returns ``None`` for a valid path."""
    scheme = _SCHEME.match(path)
    if scheme and scheme[1] not in SCHEMES:
        where = quoted(f"{scheme[1]}://")
        return f"{where} is not supported; copy the files, then give a local path or gs://BUCKET/FOLDER"
    if "\0" in path:
        return "has a NUL character; remove it"
    try:
        names = path.encode("utf-8").split(b"/")
    except UnicodeEncodeError:
        return "is not UTF-8; rename it"
    if max(map(len, names)) > LONGEST_NAME or sum(map(len, names)) + len(names) - 1 > LONGEST_PATH:
        return f"is too long; use at most {LONGEST_NAME} bytes for a name, {LONGEST_PATH:,} for a path"
    return None


def is_remote(path: str) -> bool:
    """Returns whether a path has a scheme (``gs://...``) and so needs ``tf.io.gfile``.

    Raises:
        InputError: the path is invalid, for a reason that `path_problem` gives.
    """
    problem = path_problem(path)
    if problem:
        raise InputError(f"{quoted(path)}: {problem}")
    return _SCHEME.match(path) is not None
