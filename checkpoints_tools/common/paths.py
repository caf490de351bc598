"""Which paths there can be, and which of them are remote."""

from __future__ import annotations

import re

from checkpoints_tools.common.errors import InputError, quoted

SCHEMES = ("gs", "file", "ram")
"""What ``tf.io.gfile`` of TensorFlow 2.20 takes: s3:// and hdfs:// moved to packages of their own."""
_SCHEME = re.compile("([^/]*)://")
LONGEST_PATH, LONGEST_NAME = 4095, 255
"""Bytes that Linux takes."""


def path_problem(path: str) -> str | None:
    """Why no file can have this path, and the fix; ``None`` if one can."""
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
        return f"is too long; a name has at most {LONGEST_NAME} bytes, a path {LONGEST_PATH:,}"
    return None


def is_remote(path: str) -> bool:
    """Whether the path has a scheme (``gs://...``) and so needs ``tf.io.gfile``.

    Raises:
        InputError: as `path_problem` says.
    """
    problem = path_problem(path)
    if problem:
        raise InputError(f"{quoted(path)}: {problem}")
    return _SCHEME.match(path) is not None
