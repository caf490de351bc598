"""Whether a finished run's inputs are still what it was made from: figures of different texts are not mixed."""

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

FIX = "put the old files back, or train again; nothing was changed"


def check_same_inputs(run: str, config: TrainConfig) -> None:
    """Refuses a run whose data or tokenizer files are gone or have changed.

    Args:
        run: its folder.
        config: of `saved_run.saved_options`.

    Raises:
        InputError: names the file, or the files where an older version did not save their hashes.
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
            raise InputError(f"{RunFolder(run).config}: fingerprint: {files} or the options have changed; {FIX}")


def check_same_checkpoint(run: str, pretrained: Pretrained) -> None:
    """Refuses another pre-trained BERT than the run began with.

    Raises:
        InputError: names it.
    """
    saved = read_saved(run).init_checkpoint_fingerprint
    if saved is not None and saved != pretrained.source.weights.fingerprint():
        path = pretrained.source.weights.path
        raise InputError(f"{path}: has changed since the run in {run} began (--init_checkpoint); {FIX}")


def check_titles(parts: Mapping[str, Pairs], texts: Mapping[str, str], place: str) -> None:
    """Refuses a ``split.json`` of pages that there are not.

    Raises:
        InputError: names ``place`` and the page.
    """
    for name, pairs in parts.items():
        for title in pairs.used_titles():
            if title not in texts:
                raise InputError(f"{place}: {name}: {quoted(title)} has no text in the run's data; {SPLIT_FIX}")
