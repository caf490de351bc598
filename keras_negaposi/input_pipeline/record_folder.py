"""A folder of TFRecords: the metadata that describes them, and checks of what the folder contains."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import msgspec
import tensorflow as tf

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join, list_folder, read_json
from checkpoints_tools.common.schema import checked
from keras_negaposi.input_pipeline.bucketing import LengthBuckets, boundaries
from keras_negaposi.input_pipeline.feature_spec import LAYOUTS, Features
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED
from keras_negaposi.runtime import folder_lock

METADATA = "metadata.json"
SPLIT = "split.json"
PAIRS_A_SHARD = 4096
MOST_PAIRS = 10**10
"""Metadata that claims more pairs in a part is rejected."""
FIX = "remove the folder to create the records again"

PartName = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST_PAIRS)]
FileName = Annotated[str, msgspec.Meta(pattern=rf"^([a-z]+-\d{{5,8}}-of-\d{{5,8}}\.tfrecord|{SPLIT}|{METADATA})\Z")]


class Begun(msgspec.Struct):
    """Content of the metadata file until the records are complete: the names of all files that belong to them."""

    begun: list[FileName]


class Metadata(msgspec.Struct):
    """Content of the metadata file of complete records: the fields of `Records`."""

    fingerprint: str
    packing: str
    max_seq_length: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    counts: dict[PartName, Count]
    truncated: dict[PartName, Count]
    lengths: list[Count]

    def problem(self) -> str | None:
        """Returns what is inconsistent in fields that have the correct types."""
        if self.packing not in LAYOUTS:
            return f"packing: {quoted(self.packing)} is not one of {', '.join(LAYOUTS)}"
        if "train" not in self.counts or self.truncated.keys() != self.counts.keys():
            return "counts, truncated: parts differ, or train is missing"
        if any(self.truncated[part] > count for part, count in self.counts.items()):
            return "truncated: more than the pairs in counts"
        if len(self.lengths) != self.max_seq_length + 1:
            return f"lengths: has {len(self.lengths)} items, not {self.max_seq_length + 1}"
        if sum(self.lengths) != sum(self.counts.values()) * len(LAYOUTS[self.packing].prefixes):
            return "lengths: their sum is not the number of inputs in counts"
        return None


@dataclasses.dataclass(frozen=True)
class Records:
    """Complete records in a folder.

    Attributes:
        folder: path of the folder.
        fingerprint: hash of everything that the records depend on.
        packing: name of the `feature_spec.InputLayout`.
        max_seq_length: length of an input in pieces.
        counts: number of pairs by part (``train``, ``test``, ``dev``).
        truncated: number of truncated pairs by part.
        lengths: number of inputs by length in pieces, from 0 to ``max_seq_length``.
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
        """Number of training pairs."""
        return self.counts["train"] + self.counts.get(UNLABELLED, 0)

    def files(self, part: str) -> list[str]:
        """Returns the paths of the part's shards."""
        return [join(self.folder, name) for name in shard_sizes(part, self.counts[part])]

    def parse(self, serialized: tf.Tensor) -> Features:
        """Parses a serialized pair, ``string []``, into its features."""
        return LAYOUTS[self.packing].parse(serialized, self.max_seq_length)

    def inputs(self, features: Features) -> Features:
        """Selects the features that a model reads."""
        return {name: features[name] for name in LAYOUTS[self.packing].inputs}

    def buckets(self, count: int) -> LengthBuckets:
        """Returns buckets for batches of similar length, with at most ``count`` boundaries."""
        return LengthBuckets(LAYOUTS[self.packing].prefixes, boundaries(self.lengths, count))

    def describe(self) -> str:
        """Describes the records in one line."""
        parts = ", ".join(
            f"{part} {count:,} pairs ({self.truncated[part] / max(1, count):.1%} truncated to {self.max_seq_length} "
            "pieces)"
            for part, count in self.counts.items()
        )
        return f"records in {self.folder}: {parts}"

    def metadata(self) -> dict[str, object]:
        """Returns the content of the metadata file, which marks the records as complete."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "folder"}


def shard_sizes(part: str, count: int) -> dict[str, int]:
    """Returns the names of the files of a part of ``count`` pairs, and how many pairs each holds."""
    shards = max(1, -(-count // PAIRS_A_SHARD))
    return {
        f"{part}-{number:05d}-of-{shards:05d}.tfrecord": len(range(number, count, shards)) for number in range(shards)
    }


def metadata_file(folder: str) -> str:
    """Returns the path of the metadata file in a folder of records."""
    return join(folder, METADATA)


def read_records(folder: str) -> Records | None:
    """Returns the complete records in a folder, or ``None`` if there are none.

    Raises:
        InputError: the metadata file is damaged, or not ours.
    """
    metadata = _read_metadata(folder)
    return Records(folder, **msgspec.structs.asdict(metadata)) if isinstance(metadata, Metadata) else None


def find_records(folder: str, fingerprint: str) -> Records:
    """Returns the complete records in a folder, which another worker may have written.

    Raises:
        InputError: there are none, or they have another fingerprint.
    """
    records = read_records(folder)
    if not records or records.fingerprint != fingerprint:
        raise InputError(
            f"{folder}: the records of the first worker are missing; give all workers the same data, options and "
            "folders (a shared disk, or gs://)"
        )
    return records


def check_whole(records: Records) -> None:
    """Reads every file completely; each record has a checksum.

    Raises:
        InputError: a file is missing, cut short or damaged.
    """
    for part, count in records.counts.items():
        for name, expected in shard_sizes(part, count).items():
            file = join(records.folder, name)
            try:
                pairs = int(tf.data.TFRecordDataset(file).reduce(0, lambda seen, _: seen + 1))
            except tf.errors.OpError:
                pairs = -1
            if pairs != expected:
                raise InputError(f"{file}: missing or damaged; remove {records.folder} to create the records again")


def check_folder(folder: str) -> set[str]:
    """Returns the names of the files in a folder that belong to records; a new or empty folder has none.

    Raises:
        InputError: the folder contains other files but no metadata of records.
    """
    metadata = _read_metadata(folder)
    if isinstance(metadata, Begun):
        return {METADATA, *metadata.begun}
    if metadata:
        return {METADATA, SPLIT}.union(*(shard_sizes(part, count) for part, count in metadata.counts.items()))
    others = [name for name in list_folder(folder) if not folder_lock.is_leftover(name)]
    if others:
        raise InputError(
            f"{folder}: not a folder of records ({quoted(others[0])} is in it, but no {METADATA}); give a new folder"
        )
    return set()


def _read_metadata(folder: str) -> Metadata | Begun | None:
    path = metadata_file(folder)
    if not exists(path):
        return None
    content = read_json(path)
    if isinstance(content, dict) and content.keys() == {"begun"}:
        return checked(Begun, content, path, FIX)
    metadata = checked(Metadata, content, path, f"give another folder; if it contains records, {FIX}")
    if problem := metadata.problem():
        raise InputError(f"{path}: {problem}; {FIX}")
    return metadata
