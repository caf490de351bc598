"""Sharded TFRecords of packed pairs, with a metadata file that says what they were made from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Annotated

import msgspec
import numpy as np
import tensorflow as tf

from checkpoints_tools.common import outputs
from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, list_folder, read_json, remove, write_json
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.schema import checked
from keras_negaposi.input_pipeline.bucketing import LengthBuckets, boundaries
from keras_negaposi.input_pipeline.feature_spec import LAYOUTS, Features
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs
from keras_negaposi.input_pipeline.shard_writer import Shard, ShardWriter
from keras_negaposi.input_pipeline.tokenizer import tokenize_texts
from keras_negaposi.runtime import folder_lock
from keras_negaposi.runtime.executors import Engine, in_threads
from keras_negaposi.runtime.folder_lock import locked

METADATA = "metadata.json"
SPLIT = "split.json"
PAIRS_A_SHARD = 4096
MOST = 10**10
"""Pairs of a part, of which no more are believed."""
FIX = "remove the folder, and the records are made again"

Part = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
FileName = Annotated[str, msgspec.Meta(pattern=rf"^([a-z]+-\d{{5,8}}-of-\d{{5,8}}\.tfrecord|{SPLIT}|{METADATA})\Z")]


class Begun(msgspec.Struct):
    """What a folder's metadata holds until its records are complete: the names of all files that are ours in it."""

    begun: list[FileName]


class Metadata(msgspec.Struct):
    """What it holds then: see `Records`."""

    fingerprint: str
    packing: str
    max_seq_length: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    counts: dict[Part, Count]
    truncated: dict[Part, Count]
    lengths: list[Count]

    def problem(self) -> str | None:
        """What is wrong with it, beyond the types."""
        if self.packing not in LAYOUTS:
            return f"packing: {quoted(self.packing)} is none of {', '.join(LAYOUTS)}"
        if "train" not in self.counts or self.truncated.keys() != self.counts.keys():
            return "counts, truncated: not of the same parts, train and others"
        if any(self.truncated[part] > count for part, count in self.counts.items()):
            return "truncated: more than the pairs"
        if len(self.lengths) != self.max_seq_length + 1:
            return f"lengths: has {len(self.lengths)} items, not {self.max_seq_length + 1}"
        if sum(self.lengths) != sum(self.counts.values()) * len(LAYOUTS[self.packing].prefixes):
            return "lengths: their sum is not the number of inputs in counts"
        return None


@dataclasses.dataclass(frozen=True)
class Records:
    """A folder of TFRecords: pairs and truncated pairs by part (``train``, ``test``, ``dev``).

    ``packing`` is the name of a `feature_spec.InputLayout`; ``lengths`` counts all inputs by their length in pieces,
    from 0 to ``max_seq_length``.
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
        return LAYOUTS[self.packing].parse(serialized, self.max_seq_length)

    def inputs(self, features: Features) -> Features:
        """Of these only what a model reads."""
        return {name: features[name] for name in LAYOUTS[self.packing].inputs}

    def buckets(self, count: int) -> LengthBuckets:
        """For batches of similar length: ``count`` boundaries at most."""
        return LengthBuckets(LAYOUTS[self.packing].prefixes, boundaries(self.lengths, count))

    def describe(self) -> str:
        """One line for the user."""
        parts = ", ".join(
            f"{part} {count:,} pairs ({self.truncated[part] / max(1, count):.1%} cut to {self.max_seq_length} pieces)"
            for part, count in self.counts.items()
        )
        return f"records in {self.folder}: {parts}"


def prepare(inputs: Inputs, folder: str, engine: Engine = in_threads) -> Records:
    """Writes the records, or takes those in ``folder`` when they were made from exactly these inputs.

    Only files that the folder's metadata names are replaced. While they are written it names all that are begun; a
    folder with such metadata is incomplete, and its records are made again.

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
            say(f"{folder}: records of other data, tokenizer or options; made again")
        _begin(inputs, folder)
        records = _write(inputs, folder, engine)
    say(records.describe())
    return records


def check_folder(folder: str) -> set[str]:
    """The names of the files in a folder that are ours: all, if it is new or has only those of records.

    Raises:
        InputError: it holds something else, and no metadata of records.
    """
    metadata = _read_metadata(folder)
    if isinstance(metadata, Begun):
        return {METADATA, *metadata.begun}
    if metadata:
        return {METADATA, SPLIT}.union(*(_shards(part, count) for part, count in metadata.counts.items()))
    others = [name for name in list_folder(folder) if not folder_lock.is_leftover(name)]
    if others:
        raise InputError(
            f"{folder}: not a folder of records (no {METADATA} of ours, but {quoted(others[0])}); give a new folder"
        )
    return set()


def _begin(inputs: Inputs, folder: str) -> None:
    """Notes in the metadata what will be written, and removes our own outdated files.

    Raises:
        InputError: a file that is not ours, or that is read, has a name that is needed.
    """
    ours = check_folder(folder)
    needed = {SPLIT}.union(*(_shards(part, len(pairs)) for part, pairs in inputs.split.parts.items()))
    taken = sorted(needed.intersection(list_folder(folder)) - ours)
    if taken:
        raise InputError(f"{join(folder, taken[0])}: not of these records, which need that name; give a new folder")
    config = inputs.config
    for name in ours | needed:
        read = (config.honbun, config.negaposi, config.model_file, config.vocab_file)
        outputs.check_not_read("the records' file", join(folder, name), read)
    write_json(metadata_file(folder), {"begun": sorted(ours | needed)})
    for name in sorted(ours - {METADATA}):
        remove(join(folder, name))


def _write(inputs: Inputs, folder: str, engine: Engine) -> Records:
    titles = (title for part in inputs.split.parts.values() for title in part.used_titles())
    pieces = tokenize_texts(inputs.preprocessor.tokenizer, inputs.data.texts, titles, engine)
    written = {part: _write_part(inputs, pieces, folder, part, engine) for part in inputs.split.parts}
    truncated = {part: count for part, (count, _) in written.items()}
    lengths = np.sum([lengths for _, lengths in written.values()], axis=0).tolist()
    inputs.split.write(join(folder, SPLIT))
    counts = {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    packing = inputs.preprocessor.layout.name
    max_seq_length = inputs.config.max_seq_length
    records = Records(folder, inputs.fingerprint, packing, max_seq_length, counts, truncated, lengths)
    write_json(metadata_file(folder), {k: v for k, v in dataclasses.asdict(records).items() if k != "folder"})
    return records


def metadata_file(folder: str) -> str:
    """What a folder of records has."""
    return join(folder, METADATA)


def read_records(folder: str) -> Records | None:
    """The finished records in a folder, or ``None``.

    Raises:
        InputError: its metadata is damaged, or of something else.
    """
    metadata = _read_metadata(folder)
    return Records(folder, **msgspec.structs.asdict(metadata)) if isinstance(metadata, Metadata) else None


def _read_metadata(folder: str) -> Metadata | Begun | None:
    path = metadata_file(folder)
    if not exists(path):
        return None
    content = read_json(path)
    if isinstance(content, dict) and content.keys() == {"begun"}:
        return checked(Begun, content, path, FIX)
    metadata = checked(Metadata, content, path, f"give another folder; if it is of records, {FIX}")
    if problem := metadata.problem():
        raise InputError(f"{path}: {problem}; {FIX}")
    return metadata


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
                raise InputError(f"{file}: missing or damaged; remove {records.folder}, and the records are made again")


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
    for written in engine(functools.partial(ShardWriter, inputs.preprocessor), shards()):
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
