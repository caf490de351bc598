"""Sharded TFRecords of packed pairs, with a metadata file that says what they were made from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import exists, join, read_json, write_json
from checkpoints_tools.lock import locked
from checkpoints_tools.options import say
from keras_negaposi.engines import Engine, in_threads
from keras_negaposi.features import PACKINGS, Features
from keras_negaposi.inputs import UNLABELLED, Inputs
from keras_negaposi.length_buckets import LengthBuckets, boundaries
from keras_negaposi.pieces import tokenize_texts
from keras_negaposi.progress import Ticker
from keras_negaposi.shards import Shard, ShardWriter

METADATA = "metadata.json"
SPLIT = "split.json"
PAIRS_A_SHARD = 4096


@dataclasses.dataclass(frozen=True)
class Records:
    """A folder of TFRecords: pairs and truncated pairs by part (``train``, ``test``, ``dev``).

    ``packing`` is the name of a `features.Packing`; ``lengths`` counts all inputs by their length in pieces, from 0 to
    ``max_seq_length``.
    """

    folder: str
    fingerprint: str
    packing: str
    max_seq_length: int
    counts: dict[str, int]
    truncated: dict[str, int]
    lengths: list[int]

    @property
    def train_count(self) -> int:
        """Pairs that are trained on."""
        return self.counts["train"] + self.counts.get(UNLABELLED, 0)

    def files(self, part: str) -> list[str]:
        """Paths of the part's shards."""
        return [join(self.folder, name) for name in _shards(part, self.counts[part])]

    def parse(self, serialized: tf.Tensor) -> Features:
        """An example, ``string []``, as features."""
        return PACKINGS[self.packing].parse(serialized, self.max_seq_length)

    def inputs(self, features: Features) -> Features:
        """Of these only what a model reads."""
        return {name: features[name] for name in PACKINGS[self.packing].inputs}

    def buckets(self, count: int) -> LengthBuckets:
        """For batches of similar length: ``count`` boundaries at most."""
        return LengthBuckets(PACKINGS[self.packing].prefixes, boundaries(self.lengths, count))

    def describe(self) -> str:
        """One line for the user."""
        parts = ", ".join(
            f"{part} {count:,} pairs ({self.truncated[part] / count:.1%} cut to {self.max_seq_length} pieces)"
            for part, count in self.counts.items()
        )
        return f"records in {self.folder}: {parts}"


def prepare(inputs: Inputs, folder: str, engine: Engine = in_threads) -> Records:
    """Writes the records, or takes those in ``folder`` when they were made from exactly these inputs.

    The metadata is written last: a folder without it is incomplete and made anew.

    Raises:
        InputError: a text cannot be tokenized, the folder cannot be used, or a file in it is damaged.
    """
    existing = read_records(folder)
    if existing and existing.fingerprint == inputs.fingerprint:
        check_whole(existing)
        say(f"reused: {existing.describe()}")
        return existing
    with locked(folder):
        if existing:
            say(f"{folder}: records of other data, tokenizer or options; made anew")
        _clear(folder)
        records = _write(inputs, folder, engine)
    say(records.describe())
    return records


def _write(inputs: Inputs, folder: str, engine: Engine) -> Records:
    titles = (title for part in inputs.split.parts.values() for title in part.used_titles())
    pieces = tokenize_texts(inputs.packer.tokenizer, inputs.data.texts, titles, engine)
    written = {part: _write_part(inputs, pieces, folder, part, engine) for part in inputs.split.parts}
    truncated = {part: count for part, (count, _) in written.items()}
    lengths = np.sum([lengths for _, lengths in written.values()], axis=0).tolist()
    inputs.split.write(join(folder, SPLIT))
    counts = {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    packing = inputs.packer.packing.name
    max_seq_length = inputs.config.max_seq_length
    records = Records(folder, inputs.fingerprint, packing, max_seq_length, counts, truncated, lengths)
    write_json(metadata_file(folder), {k: v for k, v in dataclasses.asdict(records).items() if k != "folder"})
    return records


def metadata_file(folder: str) -> str:
    """What a folder of finished records has."""
    return join(folder, METADATA)


def read_records(folder: str) -> Records | None:
    """The finished records in a folder, or ``None``."""
    path = metadata_file(folder)
    if not exists(path):
        return None
    metadata = read_json(path)
    try:
        return Records(folder=folder, **metadata)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{path}: not the metadata of TFRecords; give another folder") from None


def find_records(folder: str, fingerprint: str) -> Records:
    """The finished records in a folder, which another worker may have written.

    Raises:
        InputError: they are not there, or of something else.
    """
    records = read_records(folder)
    if not records or records.fingerprint != fingerprint:
        raise InputError(
            f"{folder}: the records that the first worker has written are not there; all workers need the same data, "
            "options and folders (a shared disk, or gs://)"
        )
    return records


def check_whole(records: Records) -> None:
    """Reads all files, each of whose records has a checksum.

    Raises:
        InputError: names one that is missing, cut short or damaged.
    """
    for part, count in records.counts.items():
        for name, wanted in _shards(part, count).items():
            file = join(records.folder, name)
            try:
                found = int(tf.data.TFRecordDataset(file).reduce(0, lambda seen, _: seen + 1))
            except tf.errors.OpError:
                found = -1
            if found != wanted:
                raise InputError(f"{file}: missing or damaged; remove {records.folder}, and the records are made anew")


def _write_part(
    inputs: Inputs, pieces: dict[str, np.ndarray], folder: str, part: str, engine: Engine
) -> tuple[int, np.ndarray]:
    """Writes one part's shards; gives the number of truncated pairs, and of inputs by length."""
    pairs = inputs.split.parts[part]
    offset = len(inputs.split.parts["train"]) if part == UNLABELLED else 0

    def shards() -> Iterator[Shard]:
        start = 0
        for name, size in _shards(part, len(pairs)).items():
            mine = pairs[start : start + size]
            used, ends = np.unique(mine.rows[:, :2], return_inverse=True)
            a, b = ends.reshape(-1, 2).astype(np.int32).T
            indexes = np.arange(offset + start, offset + start + size, dtype=np.int32)
            yield Shard(join(folder, name), [pieces[pairs.titles[i]] for i in used], a, b, mine.labels, indexes)
            start += size

    tick, done = Ticker(f"writing the records of {part}", len(pairs)), 0
    truncated, lengths = 0, np.zeros(inputs.config.max_seq_length + 1, np.int64)
    for written in engine(functools.partial(ShardWriter, inputs.packer), shards()):
        done += written.pairs
        truncated += written.truncated
        lengths += written.lengths
        tick(done)
    return truncated, lengths


def _shards(part: str, count: int) -> dict[str, int]:
    """The part's files, and how many of its pairs each holds."""
    shards = max(1, -(-count // PAIRS_A_SHARD))
    return {
        f"{part}-{number:05d}-of-{shards:05d}.tfrecord": len(range(number, count, shards)) for number in range(shards)
    }


def _clear(folder: str) -> None:
    """Removes our own outdated files, the metadata first, and nothing else."""
    for pattern in (METADATA, SPLIT, "*-of-*.tfrecord"):
        for path in tf.io.gfile.glob(join(folder, pattern)):
            tf.io.gfile.remove(path)
