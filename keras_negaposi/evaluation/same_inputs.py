"""Checks that a finished run's inputs are unchanged, so that figures for different texts are not mixed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from checkpoints_tools.common.errors import InputError, quoted
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.pairs import Pairs
from keras_negaposi.data.splits import SPLIT_FIX
from keras_negaposi.input_pipeline.prepared_data import (
    FORMAT,
    NEIGHBOURS_CHOSEN,
    NEXT_PAGES,
    fingerprint,
    fingerprint_of_run,
)
from keras_negaposi.modeling.pretrained import Pretrained
from keras_negaposi.runtime.resume import check_same_files
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import FINGERPRINTED_FILES, read_saved

FIX = "restore the old file, or train a new run; nothing was written"


def check_same_inputs(run: str, config: TrainConfig) -> None:
    """Checks that a run's data and tokenizer files exist and are those that it was trained with.

    Older versions saved no hashes of the files, only one fingerprint of everything. It is compared with what each
    version of the format would give.

    Args:
        run: the run's folder.
        config: the run's options, from `saved_run.saved_options`.

    Raises:
        InputError: a file is missing or has changed; for older runs, the message names all files.
    """
    check_same_files(RunFolder(run), config)
    saved = read_saved(run)
    if saved.inputs is None and saved.fingerprint is not None:
        versions = itertools.product(range(FORMAT, 0, -1), range(NEXT_PAGES, 0, -1), range(NEIGHBOURS_CHOSEN, 0, -1))
        known = (
            fingerprint_of_run(fingerprint(config, config.layout, *made), config, choice) for *made, choice in versions
        )
        if saved.fingerprint not in known:
            files = ", ".join(str(path) for path in map(vars(config).get, FINGERPRINTED_FILES))
            raise InputError(
                f"{RunFolder(run).config}: fingerprint: {files} or the options have changed since the run began; {FIX}"
            )


def check_same_checkpoint(run: str, pretrained: Pretrained) -> None:
    """Checks that the pre-trained checkpoint is the one that the run started from.

    Raises:
        InputError: it is another one, which the message names.
    """
    saved = read_saved(run).init_checkpoint_fingerprint
    if saved is not None and saved != pretrained.source.weights.fingerprint():
        path = pretrained.source.weights.path
        raise InputError(f"{path}: has changed since the run in {run} began (--init_checkpoint); {FIX}")


def check_titles(parts: Mapping[str, Pairs], texts: Mapping[str, str], place: str) -> None:
    """Checks that every page in ``split.json`` has a text.

    Raises:
        InputError: a page has none; the message names ``place`` and the page.
    """
    for name, pairs in parts.items():
        for title in pairs.used_titles():
            if title not in texts:
                raise InputError(f"{place}: {name}: {quoted(title)} has no text in the run's data; {SPLIT_FIX}")
