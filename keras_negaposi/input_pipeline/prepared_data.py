"""What is trained and tested on: the pairs, read, checked and split; nothing is written yet."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_digest
from keras_negaposi.config import DataConfig, TrainConfig
from keras_negaposi.config.data import ALL
from keras_negaposi.data.adjacency import adjacency, page_of
from keras_negaposi.data.next_page_pairs import draw_next_pages
from keras_negaposi.data.pairs import PairData, Pairs, read_pairs
from keras_negaposi.data.splits import Documents, Split, split_pairs
from keras_negaposi.input_pipeline.packing import PREPROCESSORS, PairPreprocessor
from keras_negaposi.input_pipeline.tokenizer import Tokenizer

UNLABELLED = "unlabelled"
"""Part of pairs that only a teacher labels; trained on after those of ``train``, whose numbers its own continue."""
FORMAT = 3
"""Part of the fingerprint: raise it when the same texts are written otherwise."""
NEXT_PAGES = 2
"""The same for ``next_page_pairs``: raise it when other pairs are chosen."""
LAYOUT = "layout"
"""Stands for the input layout, which is an option of the head and not of the data."""
NEIGHBOURS_CHOSEN = 2
"""Part of the fingerprint: raise it when other pairs are chosen for a teacher alone."""
FINGERPRINTED = (
    "do_lower_case",
    "max_seq_length",
    "truncate_a",
    "split",
    "test_share",
    "dev_share",
    "group_pattern",
    LAYOUT,
    "seed_of_split",
    "next_page_pairs",
)


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything that the records depend on, read and checked, nothing written yet."""

    config: DataConfig
    data: PairData
    split: Split
    preprocessor: PairPreprocessor
    fingerprint: str


def read_inputs(config: DataConfig, tokenizer: Tokenizer, layout: str) -> Inputs:
    """Reads and checks the pairs and splits them.

    Raises:
        InputError: whatever is wrong with them.
    """
    data = read_pairs(config.honbun, config.negaposi)
    split = split_pairs(
        data.pairs, config.split, config.test_share, config.dev_share, config.group_pattern, config.seed_of_split
    )
    say(f"data: {data.describe()}")
    say(f"split ({config.split}): {split.describe()}")
    split = _add_next_pages(split, data, config)
    preprocessor = PREPROCESSORS[layout](tokenizer, config.max_seq_length, config.truncate_a)
    return Inputs(config, data, split, preprocessor, fingerprint(config, layout))


def _add_next_pages(split: Split, data: PairData, config: DataConfig) -> Split:
    """Adds ``config.next_page_pairs`` self-labelled pairs to ``train``, or as many as there are.

    Raises:
        InputError: there are none.
    """
    asked = config.next_page_pairs
    count = None if asked == ALL else int(asked)
    if count == 0:
        return split
    document = Documents(config.group_pattern)
    found = adjacency(sorted(data.texts), document)
    free = split.free_titles(sorted(data.texts), config.split, config.group_pattern)
    drawn = draw_next_pages(
        {title: data.texts[title] for title in free},
        found.pairs,
        document,
        known={(page_of(pair.a), page_of(pair.b)) for pair in data.pairs},
        count=count,
        seed=config.seed_of_split,
    )
    left_out = found.describe()
    pages = f"the {len(free):,} pages that appear in no dev or test pair"
    if not drawn:
        raise InputError(
            f"--next_page_pairs {asked}: {pages} give no pair; leave it out, or give a --group_pattern that finds the "
            "document in a title" + (f" ({left_out})" if left_out else "")
        )
    if count is not None and len(drawn) < count - 1:  # an odd number is rounded down to as many positives as negatives
        say(f"--next_page_pairs {asked}: {pages} give only {len(drawn):,} pairs; all of them are used")
    say(f"{len(drawn):,} self-labelled training pairs from {pages}" + (f"; {left_out}" if left_out else ""))
    return dataclasses.replace(split, parts=split.parts | {"train": Pairs.of([*split.parts["train"], *drawn])})


def fingerprint(config: DataConfig, layout: str, version: int = FORMAT, choice: int = NEXT_PAGES) -> str:
    """Returns a hash of the data, the tokenizer and every option that shapes the records.

    The number of ``next_page_pairs`` is hashed as it was given: with the data, it determines which pairs are used, also
    where fewer exist.

    Args:
        config: of the data.
        layout: of the head.
        version: a `FORMAT`, today's or an older one.
        choice: a `NEXT_PAGES`, today's or an older one.
    """
    digest = hashlib.sha256()
    for path in (config.honbun, config.negaposi, config.model_file, config.vocab_file):
        digest.update(read_digest(path))
    chosen = [choice] if config.next_page_pairs and choice > 1 else []
    options = (layout if name == LAYOUT else getattr(config, name) for name in FINGERPRINTED)
    digest.update(json.dumps([version, *options, *chosen]).encode())
    return digest.hexdigest()


def fingerprint_of_run(fingerprint: str, config: TrainConfig, choice: int = NEIGHBOURS_CHOSEN) -> str:
    """The fingerprint of a run's records: the inputs' one, and the pairs for the teacher alone if there are any."""
    if not config.distill_pairs:
        return fingerprint
    chosen = f" {choice}" if choice > 1 else ""
    return hashlib.sha256(f"{fingerprint} {config.distill_pairs} {config.seed}{chosen}".encode()).hexdigest()
