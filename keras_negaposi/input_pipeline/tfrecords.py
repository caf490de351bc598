"""Writes the pairs as sharded TFRecords, and reuses those that were made from the same inputs."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from checkpoints_tools.common import outputs
from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import join, list_folder, remove, sweep, write_json
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config import PAIR_SOURCES
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs
from keras_negaposi.input_pipeline.record_folder import (
    METADATA,
    SPLIT,
    Records,
    check_folder,
    check_whole,
    metadata_file,
    read_records,
    shard_sizes,
)
from keras_negaposi.input_pipeline.shard_writer import Shard, ShardWriter
from keras_negaposi.runtime.executors import Engine, in_threads
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.tokenizers.base import tokenize_texts


def prepare(inputs: Inputs, folder: str, engine: Engine = in_threads) -> Records:
    """Writes the records, or reuses those in ``folder`` if they were made from exactly these inputs.

    Only files that the folder's metadata names are replaced. Until the records are complete, the metadata names every
    file that belongs to them; records that were interrupted are recognized by it and created again.

    Args:
        inputs: the pairs, split, and the options.
        folder: folder of the records.
        engine: runs the work: threads or Beam workers.

    Raises:
        InputError: a text cannot be tokenized, the folder cannot be used, or a file in it is damaged.
    """
    existing = read_records(folder)
    if existing and existing.fingerprint == inputs.fingerprint:
        check_whole(existing)
        say(f"reused: {existing.describe()}")
        return existing
    check_folder(folder)
    with locked(folder):
        if existing:
            say(f"{folder}: its records have other data, tokenizer or options; they are created again")
        _begin(inputs, folder)
        records = _write(inputs, folder, engine)
        sweep(folder)  # what a worker of a runner that was killed left
    say(records.describe())
    return records


def _begin(inputs: Inputs, folder: str) -> None:
    """Names the files to be written in the metadata, and removes outdated files of records.

    Raises:
        InputError: a file of the user, or an input, has the name of a file to be written.
    """
    ours = check_folder(folder)
    needed = {SPLIT}.union(*(shard_sizes(part, len(pairs)) for part, pairs in inputs.split.parts.items()))
    taken = sorted(needed.intersection(list_folder(folder)) - ours)
    if taken:
        raise InputError(
            f"{join(folder, taken[0])}: does not belong to the records, but they need its name; give a new folder"
        )
    config = inputs.config
    for name in ours | needed:
        pairs = (getattr(config, name) for name in PAIR_SOURCES)
        read = filter(None, (*pairs, config.model_file, config.vocab_file))
        outputs.check_not_read("the records' file", join(folder, name), read)
    write_json(metadata_file(folder), {"begun": sorted(ours | needed)})
    for name in sorted(ours - {METADATA}):
        remove(join(folder, name))


def _write(inputs: Inputs, folder: str, engine: Engine) -> Records:
    """Tokenizes the texts, writes all parts and the split, and then the metadata."""
    titles = (title for part in inputs.split.parts.values() for title in part.used_titles())
    pieces = tokenize_texts(inputs.preprocessor.tokenizer, inputs.data.texts, titles, engine)
    written = {part: _write_part(inputs, pieces, folder, part, engine) for part in inputs.split.parts}
    inputs.split.write(join(folder, SPLIT))
    records = Records(
        folder,
        fingerprint=inputs.fingerprint,
        packing=inputs.preprocessor.layout.name,
        max_seq_length=inputs.config.max_seq_length,
        counts={part: len(pairs) for part, pairs in inputs.split.parts.items()},
        truncated={part: truncated for part, (truncated, _) in written.items()},
        lengths=np.sum([lengths for _, lengths in written.values()], axis=0).tolist(),
    )
    write_json(metadata_file(folder), records.metadata())
    return records


def _write_part(
    inputs: Inputs, pieces: dict[str, np.ndarray], folder: str, part: str, engine: Engine
) -> tuple[int, np.ndarray]:
    """Writes one part's shards; returns its number of truncated pairs, and its number of inputs by length."""
    pairs = inputs.split.parts[part]
    offset = len(inputs.split.parts["train"]) if part == UNLABELLED else 0

    def shards() -> Iterator[Shard]:
        start = 0
        for name, size in shard_sizes(part, len(pairs)).items():
            rows = pairs[start : start + size]
            # A shard carries only the texts of its own pairs, so that it can be sent to another machine.
            used, ends = np.unique(rows.rows[:, :2], return_inverse=True)
            a, b = ends.reshape(-1, 2).astype(np.int32).T
            indexes = np.arange(offset + start, offset + start + size, dtype=np.int32)
            yield Shard(join(folder, name), [pieces[pairs.titles[i]] for i in used], a, b, rows.labels, indexes)
            start += size

    tick, done = Ticker(f"writing the records of {part}", len(pairs)), 0
    truncated, lengths = 0, np.zeros(inputs.config.max_seq_length + 1, np.int64)
    for shard in engine(functools.partial(ShardWriter, inputs.preprocessor), shards()):
        done += shard.pairs
        truncated += shard.truncated
        lengths += shard.lengths
        tick(done)
    return truncated, lengths
