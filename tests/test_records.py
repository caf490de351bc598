"""TFRecords: what is written is what is read, each pair once, and reuse only when nothing has changed."""

import dataclasses
import json
import os

import numpy as np
import pytest

from checkpoints_tools.errors import InputError
from keras_negaposi.config import DataConfig
from keras_negaposi.features import ENCODER_INPUTS, INDEX, LABEL
from keras_negaposi.inputs import read_inputs
from keras_negaposi.records import eval_dataset, packed_batches, prepare, read_records, train_dataset
from keras_negaposi.splits import Documents
from keras_negaposi.tokenizer import Tokenizer

LENGTH = 37


@pytest.fixture(scope="module")
def inputs(tiny):
    config = DataConfig(**tiny.flags, max_seq_length=LENGTH, dev_share=0.1)
    return read_inputs(config, Tokenizer(config.model_file, config.vocab_file))


@pytest.fixture(scope="module")
def records(inputs, tmp_path_factory):
    return prepare(inputs, str(tmp_path_factory.mktemp("records")))


@pytest.mark.parametrize("batch_size", [1, 7, 60, 1000])
@pytest.mark.parametrize("part", ["train", "dev", "test"])
def test_every_pair_once_in_order_and_equal(inputs, records, part, batch_size):
    pairs = inputs.split.parts[part]
    batches = list(eval_dataset(records, part, batch_size).as_numpy_iterator())
    assert {batch[INDEX].shape for batch in batches} == {(batch_size,)}  # one static shape
    read = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    real = read[INDEX] >= 0
    np.testing.assert_array_equal(read[INDEX][real], np.arange(len(pairs)))
    written = list(packed_batches(inputs.packer, inputs.data.texts, pairs))
    for name in (*(name for name in ENCODER_INPUTS), LABEL):
        assert read[name].dtype == np.int32
        np.testing.assert_array_equal(read[name][real], np.concatenate([batch[name] for batch in written]))
        assert not read[name][~real].any()


def test_counts_and_truncation(inputs, records):
    assert records.counts == {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    tokenizer = inputs.packer.tokenizer
    for part, pairs in inputs.split.parts.items():
        ids = [tokenizer.encode([inputs.data.texts[p.a], inputs.data.texts[p.b]]) for p in pairs]
        assert records.truncated[part] == sum(len(a) + len(b) > LENGTH - 3 for a, b in ids)
    assert 0 < records.truncated["train"] < records.counts["train"]


def test_training_order_is_seeded_and_differs_between_passes(records):
    def labels(seed, skip=0):
        dataset = train_dataset(records, 8, seed, skip).take(2 * records.counts["train"] // 8 - skip)
        return [features["input_word_ids"].tolist() for features, _ in dataset.as_numpy_iterator()]

    first = labels(0)
    assert first == labels(0) != labels(1)
    assert first[5:] == labels(0, skip=5)
    half = len(first) // 2
    assert first[:half] != first[half : 2 * half]


def test_reused_only_with_the_same_fingerprint(inputs, records, capsys):
    before = {name: os.path.getmtime(os.path.join(records.folder, name)) for name in os.listdir(records.folder)}
    assert prepare(inputs, records.folder) == records
    assert capsys.readouterr().out.startswith("reused")
    assert before == {name: os.path.getmtime(os.path.join(records.folder, name)) for name in before}


@pytest.mark.parametrize(
    "change",
    [{"max_seq_length": 36}, {"truncate_a": "start"}, {"seed": 1}, {"do_lower_case": False}],
)
def test_any_change_makes_them_anew(inputs, tmp_path, change):
    first = prepare(inputs, str(tmp_path))
    config = dataclasses.replace(inputs.config, **change)
    second = prepare(read_inputs(config, inputs.packer.tokenizer), str(tmp_path))
    assert second.fingerprint != first.fingerprint
    assert read_records(str(tmp_path)) == second


def test_changed_data_changes_the_fingerprint(inputs, tiny, tmp_path):
    changed = tmp_path / "honbun.json"
    changed.write_text(open(tiny.flags["honbun"], encoding="utf-8").read() + "\n", encoding="utf-8")
    other = read_inputs(dataclasses.replace(inputs.config, honbun=str(changed)), inputs.packer.tokenizer)
    assert other.fingerprint != inputs.fingerprint


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_next_pages_are_trained_on_but_none_that_is_tested_on(inputs, pair_rows, tmp_path, method):
    few = tmp_path / "few.json"
    few.write_text(json.dumps([row for row in pair_rows if row[0] < "doc18" and row[0].endswith(("000", "001"))]))
    config = dataclasses.replace(inputs.config, split=method, negaposi=str(few), dev_share=0.0)
    tokenizer = inputs.packer.tokenizer
    plain, more = (read_inputs(dataclasses.replace(config, augment_next=n), tokenizer) for n in (0, 12))
    assert plain.fingerprint != more.fingerprint
    split, augmented = plain.split, more.split
    assert augmented.held_out == split.held_out
    given = split.parts["train"]
    train = augmented.parts["train"]
    assert train[: len(given)] == given
    drawn = train[len(given) :]
    assert sorted(pair.label for pair in drawn) == [0] * 6 + [1] * 6
    place = Documents(config.group_pattern) if method == "grouped" else str
    tested = {place(title) for pair in split.held_out for title in (pair.a, pair.b)}
    assert not tested & {place(title) for pair in drawn for title in (pair.a, pair.b)}
    document = Documents(config.group_pattern)
    known = {(pair.a, pair.b) for pairs in split.parts.values() for pair in pairs}
    for pair in drawn:
        assert (document(pair.a) == document(pair.b)) == bool(pair.label) and (pair.a, pair.b) not in known


def test_more_next_pages_than_there_are_is_said(inputs):
    with pytest.raises(InputError, match=r"--augment_next 900: the \d+ pages .* make \d+ pairs; give at most that"):
        read_inputs(dataclasses.replace(inputs.config, augment_next=900), inputs.packer.tokenizer)


def test_records_cut_short_are_made_anew(inputs, tmp_path):
    records = prepare(inputs, str(tmp_path))
    os.remove(tmp_path / "metadata.json")  # the metadata is written last
    assert read_records(str(tmp_path)) is None
    assert prepare(inputs, str(tmp_path)) == records


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_many_shards_on_any_path(inputs, tmp_path, monkeypatch, scheme):
    """ram:// stands for every path that is not on this machine's disk: the same calls go to gs://."""
    monkeypatch.setattr("keras_negaposi.records.PAIRS_A_SHARD", 11)
    records = prepare(inputs, f"{scheme}{tmp_path}/deep/folder")
    assert len(records.files("test")) == -(-records.counts["test"] // 11) > 1
    assert read_records(records.folder) == records == prepare(inputs, records.folder)
    batches = list(eval_dataset(records, "test", 13).as_numpy_iterator())
    read = {name: np.concatenate([batch[name] for batch in batches]) for name in (INDEX, LABEL)}
    real = read[INDEX] >= 0
    np.testing.assert_array_equal(read[INDEX][real], np.arange(records.counts["test"]))
    np.testing.assert_array_equal(read[LABEL][real], [pair.label for pair in inputs.split.parts["test"]])


def test_outdated_records_are_said_to_be(inputs, tmp_path, capsys):
    prepare(inputs, str(tmp_path))
    other = read_inputs(dataclasses.replace(inputs.config, seed=1), inputs.packer.tokenizer)
    capsys.readouterr()
    prepare(other, str(tmp_path))
    assert "made anew" in capsys.readouterr().out
