"""Sharded TFRecords of packed pairs, with a metadata file that says what they were made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from checkpoints_tools.errors import InputError
from checkpoints_tools.files import exists, join, read_json, write_json
from checkpoints_tools.lock import locked
from checkpoints_tools.options import say
from keras_negaposi.features import INDEX, LABEL, PACKINGS, Features, serialize_example
from keras_negaposi.inputs import UNLABELLED, Inputs
from keras_negaposi.labelled import Pair
from keras_negaposi.length_buckets import LengthBuckets, boundaries
from keras_negaposi.packing import Packer

METADATA = "metadata.json"
SPLIT = "split.json"
PAIRS_A_SHARD = 4096
SHUFFLE_BUFFER = 100_000
"""Pairs held in memory to be shuffled: all of them, in most users' data."""
BATCH = 512
EVAL_BUCKETS = 3
"""Boundaries of lengths: few, since the last batch of each bucket is filled up."""


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
        return [join(self.folder, name) for name in _shard_names(part, self.counts[part])]

    def parse(self, serialized: tf.Tensor) -> Features:
        """A batch of examples, ``string [batch]``, as features."""
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


def prepare(inputs: Inputs, folder: str) -> Records:
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
        records = _write(inputs, folder)
    say(records.describe())
    return records


def _write(inputs: Inputs, folder: str) -> Records:
    written = {part: _write_part(inputs, folder, part) for part in inputs.split.parts}
    truncated = {part: count for part, (count, _) in written.items()}
    lengths = np.sum([lengths for _, lengths in written.values()], axis=0).tolist()
    write_json(
        join(folder, SPLIT),
        {part: [[pair.a, pair.b, pair.label] for pair in pairs] for part, pairs in inputs.split.parts.items()},
    )
    counts = {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    packing = inputs.packer.packing.name
    max_seq_length = inputs.config.max_seq_length
    records = Records(folder, inputs.fingerprint, packing, max_seq_length, counts, truncated, lengths)
    write_json(join(folder, METADATA), {k: v for k, v in dataclasses.asdict(records).items() if k != "folder"})
    return records


def read_records(folder: str) -> Records | None:
    """The finished records in a folder, or ``None``."""
    path = join(folder, METADATA)
    if not exists(path):
        return None
    metadata = read_json(path)
    try:
        return Records(folder=folder, **metadata)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"{path}: not the metadata of TFRecords; give another folder") from None


def check_whole(records: Records) -> None:
    """Reads all files, each of whose records has a checksum.

    Raises:
        InputError: names one that is missing, cut short or damaged.
    """
    for part, count in records.counts.items():
        for number, file in enumerate(records.files(part)):
            wanted = len(range(number, count, len(records.files(part))))
            try:
                found = int(tf.data.TFRecordDataset(file).reduce(0, lambda seen, _: seen + 1))
            except tf.errors.OpError:
                found = -1
            if found != wanted:
                raise InputError(f"{file}: missing or damaged; remove {records.folder}, and the records are made anew")


def packed_batches(packer: Packer, texts: dict[str, str], pairs: Sequence[Pair]) -> Iterator[dict[str, np.ndarray]]:
    """Packs pairs: yields the packing's features and ``truncated`` as arrays, `BATCH` pairs at a time, in order."""
    for start in range(0, len(pairs), BATCH):
        batch = pairs[start : start + BATCH]
        packed = packer.traced(tf.constant([texts[p.a] for p in batch]), tf.constant([texts[p.b] for p in batch]))
        arrays = {name: value.numpy() for name, value in packed.items()}
        arrays[LABEL] = np.array([pair.label for pair in batch])
        arrays[INDEX] = np.arange(start, start + len(batch))
        yield arrays


def train_dataset(
    records: Records,
    batch_size: int,
    seed: int,
    skip_steps: int = 0,
    targets: np.ndarray | None = None,
    length_buckets: int = 1,
) -> tf.data.Dataset:
    """Endless shuffled batches of (model inputs, labels), each pass in a new order fixed by ``seed``.

    Args:
        records: whose ``train`` part is read, and the `UNLABELLED` one if there is one.
        batch_size: over all devices; a batch may span two passes, so that it is always full.
        seed: of the order.
        skip_steps: batches that a resumed run has seen already.
        targets: ``float32 [pairs, 2]`` in the records' order, given in place of the labels.
        length_buckets: boundaries for batches of similar length; with 1 batches are as they come.
    """
    parts = [part for part in ("train", UNLABELLED) if part in records.counts]
    dataset = tf.data.TFRecordDataset([file for part in parts for file in records.files(part)])
    buffer = min(records.train_count, SHUFFLE_BUFFER)
    dataset = dataset.shuffle(buffer, seed, reshuffle_each_iteration=True).repeat()
    dataset = records.buckets(length_buckets).batches(dataset, batch_size, records.parse)

    def split_label(features: Features) -> tuple[Features, tf.Tensor]:
        label = features[LABEL] if targets is None else tf.gather(targets, features[INDEX])
        return records.inputs(features), label

    return dataset.skip(skip_steps).map(split_label).prefetch(2)


def eval_dataset(records: Records, part: str, batch_size: int, length_buckets: int = EVAL_BUCKETS) -> tf.data.Dataset:
    """Batches of all features, of similar length each: `INDEX` tells the order.

    What is missing in a batch is filled up with examples of index -1, so that few shapes occur.
    """
    dataset = tf.data.TFRecordDataset(records.files(part))
    dataset = records.buckets(length_buckets).batches(dataset, batch_size, records.parse)

    def fill(features: Features) -> Features:
        missing = batch_size - tf.shape(features[INDEX])[0]

        def widen(name: str, value: tf.Tensor) -> tf.Tensor:
            padding = [[0, missing]] + [[0, 0]] * (value.shape.rank - 1)
            wide = tf.pad(value, padding, constant_values=-1 if name == INDEX else 0)
            return tf.ensure_shape(wide, [batch_size, *value.shape[1:]])

        return {name: widen(name, value) for name, value in features.items()}

    return dataset.map(fill).prefetch(2)


def _write_part(inputs: Inputs, folder: str, part: str) -> tuple[int, np.ndarray]:
    """Writes one part's shards; gives the number of truncated pairs, and of inputs by length."""
    pairs = inputs.split.parts[part]
    batches = packed_batches(inputs.packer, inputs.data.texts, pairs)
    examples = (
        {name: values[row] for name, values in batch.items()} for batch in batches for row in range(len(batch[INDEX]))
    )
    offset = len(inputs.split.parts["train"]) if part == UNLABELLED else 0
    truncated, lengths = 0, np.zeros(inputs.config.max_seq_length + 1, np.int64)
    masks = [f"{prefix}input_mask" for prefix in inputs.packer.packing.prefixes]
    names = _shard_names(part, len(pairs))
    for number, name in enumerate(names):
        size = len(range(number, len(pairs), len(names)))
        with tf.io.TFRecordWriter(join(folder, name)) as writer:
            for _ in range(size):
                example = next(examples)
                truncated += bool(example.pop("truncated"))
                np.add.at(lengths, [example[mask].sum() for mask in masks], 1)
                example[INDEX] += offset
                writer.write(serialize_example(example))
    return truncated, lengths


def _shard_names(part: str, count: int) -> list[str]:
    shards = max(1, -(-count // PAIRS_A_SHARD))
    return [f"{part}-{number:05d}-of-{shards:05d}.tfrecord" for number in range(shards)]


def _clear(folder: str) -> None:
    """Removes our own outdated files, the metadata first, and nothing else."""
    for pattern in (METADATA, SPLIT, "*-of-*.tfrecord"):
        for path in tf.io.gfile.glob(join(folder, pattern)):
            tf.io.gfile.remove(path)
