"""Recognizes folders and files that this package has written, so that they are not read as a source."""

from __future__ import annotations

import os
from collections.abc import Collection

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import opened, read_json
from keras_negaposi.config.saved import CONFIG_FILE

NOTES, NOTES_BEGIN = "README.md", b"# Pairs of "
"""Name and first bytes of the notes that `keras_negaposi.pairs` writes next to the pairs."""
HONBUN = "honbun_data.json"
LARGEST_CONFIG = 1 << 20
"""Limit in bytes for the ``config.json`` of a run."""


def is_ours(folder: str) -> bool:
    """Returns whether a folder is the output of `keras_negaposi.pairs`, or the folder of a run."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    if our_notes(folder, names) is not None:
        return True
    return CONFIG_FILE in names and _is_of_run(os.path.join(folder, CONFIG_FILE))


def our_notes(folder: str, names: Collection[str]) -> str | None:
    """Returns the name of the notes in a folder if `keras_negaposi.pairs` has written them, or ``None``."""
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
