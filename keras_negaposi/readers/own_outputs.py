"""What this package has written itself, which is no source."""

from __future__ import annotations

import os
from collections.abc import Collection

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import opened, read_json

NOTES, NOTES_BEGIN = "README.md", b"# Pairs of "
"""What `keras_negaposi.pairs` writes next to the pairs."""
HONBUN = "honbun_data.json"
CONFIG, LARGEST_CONFIG = "config.json", 1 << 20
"""What a run's folder has, and its bytes at most."""


def is_ours(folder: str) -> bool:
    """Whether `keras_negaposi.pairs` or a training has written the folder."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return our_notes(folder, names) is not None or (CONFIG in names and _is_of_run(os.path.join(folder, CONFIG)))


def our_notes(folder: str, names: Collection[str]) -> str | None:
    """The name of the notes that `keras_negaposi.pairs` has written into a folder, if it has."""
    if NOTES not in names or HONBUN not in names:
        return None
    try:
        with opened(os.path.join(folder, NOTES)) as file:
            return NOTES if file.read(len(NOTES_BEGIN)) == NOTES_BEGIN else None
    except InputError:
        return None


def _is_of_run(path: str) -> bool:
    try:
        saved = read_json(path) if os.path.getsize(path) <= LARGEST_CONFIG else None
    except (InputError, OSError):
        return False
    config = saved.get("config") if isinstance(saved, dict) else None
    return isinstance(config, dict) and "group_pattern" in config
