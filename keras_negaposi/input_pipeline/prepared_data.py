"""The data of a run: pairs read, checked and split; nothing is written yet."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_digest
from keras_negaposi.config import DataConfig, TrainConfig
from keras_negaposi.config.data import ALL, AUTO
from keras_negaposi.config.model import tokenizer_options
from keras_negaposi.config.pair_source import JSON_FILES
from keras_negaposi.config.tokenizer_files import SENTENCEPIECE, options_of, read_options
from keras_negaposi.data.adjacency import adjacency, page_of
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.next_page_pairs import sample_next_pages
from keras_negaposi.data.pairs import PairData, Pairs
from keras_negaposi.data.splits import Split
from keras_negaposi.input_pipeline.dev_part import split_with_dev, why_no_dev
from keras_negaposi.input_pipeline.packing import PairPreprocessor, make_preprocessor
from keras_negaposi.readers.pair_source import read_source, source_digests
from keras_negaposi.tokenizers.base import BaseTokenizer

UNLABELLED = "unlabelled"
"""The part whose pairs only a teacher labels. Training uses it too; its indexes continue those of ``train``."""
FORMAT = 3
"""Part of the fingerprint: increase it when the same texts give other records."""
NEXT_PAGES = 2
"""Part of the fingerprint with ``next_page_pairs``: increase it when other pairs are chosen."""
LAYOUT = "layout"
"""Represents the input layout in `FINGERPRINTED`; it depends on the head and is not an option of the data."""
NEIGHBOURS_CHOSEN = 2
"""Part of the fingerprint with ``distill_pairs``: increase it when other pairs are chosen for the teacher."""
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
"""Options that the fingerprint covers, in the order in which it hashes them."""


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything that the records depend on, read and checked.

    Attributes:
        config: options of the data; ``dev_share`` is a number.
        data: texts and labelled pairs.
        split: the pairs by part.
        preprocessor: turns texts into the model's inputs.
        digests: SHA-256 of the pairs' two JSON files, by option (`pair_source.source_digests`).
        fingerprint: hash of all of these.
    """

    config: DataConfig
    data: PairData
    split: Split
    preprocessor: PairPreprocessor
    digests: Mapping[str, bytes]
    fingerprint: str


def read_inputs(config: DataConfig, tokenizer: BaseTokenizer, layout: str) -> Inputs:
    """Reads, checks and splits the pairs.

    Args:
        config: options of the data.
        tokenizer: tokenizer of the texts.
        layout: name of the input layout.

    Raises:
        InputError: the pairs are invalid or cannot be split.
    """
    data = read_source(config)
    split, resolved = split_with_dev(data.pairs, config)
    say(f"data: {data.describe()}")
    say(f"split ({config.split}): {split.describe()}")
    if config.dev_share == AUTO and not resolved.dev_share:
        say(why_no_dev(split, config.split))
    split = _add_next_pages(split, data, config)
    preprocessor = make_preprocessor(config, tokenizer, layout)
    digests = source_digests(config, data)
    return Inputs(resolved, data, split, preprocessor, digests, fingerprint(resolved, layout, digests=digests))


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
    drawn = sample_next_pages(
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


def fingerprint(
    config: DataConfig,
    layout: str,
    version: int = FORMAT,
    choice: int = NEXT_PAGES,
    *,
    digests: Mapping[str, bytes] | None = None,
) -> str:
    """Returns a hash of the data, the tokenizer and every option that the records depend on.

    The number of ``next_page_pairs`` is hashed as it was given: with the data, it determines which pairs are used, also
    where fewer exist.

    Args:
        config: options of the data; ``dev_share`` is a number.
        layout: name of the input layout.
        version: `FORMAT` at the time of the records.
        choice: `NEXT_PAGES` at that time.
        digests: of the pairs; read from the JSON files by default.
    """
    digest = hashlib.sha256()
    tokenizer = options_of(config)
    files = [getattr(config, name) for name in tokenizer_options(tokenizer["tokenizer"])]
    pairs = source_digests(config) if digests is None else digests
    for file_digest in (*map(pairs.__getitem__, JSON_FILES), *map(read_digest, files)):
        digest.update(file_digest)
    chosen: list[object] = [choice] if config.next_page_pairs and choice > 1 else []
    if tokenizer["tokenizer"] != SENTENCEPIECE:  # the first kind of tokenizer, and without further options
        chosen += [tokenizer["tokenizer"], read_options(config.tokenizer_config_file).digest()]
    if config.prefix_a or config.prefix_b:
        chosen += [config.prefix_a, config.prefix_b]
    values = vars(config) | tokenizer | {LAYOUT: layout, "seed_of_split": config.seed_of_split}
    digest.update(json.dumps([version, *map(values.__getitem__, FINGERPRINTED), *chosen]).encode())
    return digest.hexdigest()


def fingerprint_of_run(fingerprint: str, config: TrainConfig, choice: int = NEIGHBOURS_CHOSEN) -> str:
    """Returns the fingerprint of a run's records, which also covers pairs that only the teacher labels.

    Args:
        fingerprint: fingerprint of the inputs.
        config: options of the run.
        choice: `NEIGHBOURS_CHOSEN` at the time of the run.
    """
    if not config.distill_pairs:
        return fingerprint
    chosen = f" {choice}" if choice > 1 else ""
    return hashlib.sha256(f"{fingerprint} {config.distill_pairs} {config.seed}{chosen}".encode()).hexdigest()
