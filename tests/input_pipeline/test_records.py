"""TFRecords: what is written is what is read, each pair once, and reuse only when nothing has changed."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig, PrepareConfig
from keras_negaposi.config.heads import SEPARATE
from keras_negaposi.config.training import HeadConfig
from keras_negaposi.data.splits import Documents
from keras_negaposi.input_pipeline import tfrecords as records_module
from keras_negaposi.input_pipeline.bucketing import boundaries
from keras_negaposi.input_pipeline.datasets import eval_dataset, train_dataset
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS, INDEX, LABEL
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.tfrecords import prepare, read_records
from keras_negaposi.input_pipeline.tokenizer import Tokenizer
from keras_negaposi.prepare import main as prepare_main
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

LENGTH = 37


@pytest.fixture(scope="module")
def inputs(tiny):
    config = PrepareConfig(**tiny.flags, max_seq_length=LENGTH, dev_share=0.1)
    return read_inputs(config, Tokenizer(config.model_file, config.vocab_file), config.layout)


@pytest.fixture(scope="module")
def records(inputs, tmp_path_factory):
    return prepare(inputs, str(tmp_path_factory.mktemp("records")))


@pytest.fixture(scope="module")
def apart(inputs, tmp_path_factory):
    config = dataclasses.replace(inputs.config, head="vector", max_seq_length=29)
    inputs = read_inputs(config, inputs.preprocessor.tokenizer, config.layout)
    return inputs, prepare(inputs, str(tmp_path_factory.mktemp("apart")))


def in_order(batches):
    """The features of all pairs of batches of different lengths, as rows without their padding, by index."""
    rows = {}
    for batch in batches:
        for number, index in enumerate(batch[INDEX]):
            row = {name: values[number] for name, values in batch.items()}
            for mask in [name for name in row if name.endswith("input_mask")]:
                length = row[mask].sum()
                for name in (mask.replace("input_mask", each) for each in ENCODER_INPUTS):
                    assert not row[name][length:].any()
                    row[name] = row[name][:length].tolist()
            assert index not in rows or index < 0
            rows[int(index)] = row
    rows.pop(-1, None)  # what fills a batch up
    assert sorted(rows) == list(range(len(rows)))
    return [rows[index] for index in sorted(rows)]


@pytest.mark.parametrize("length_buckets", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 7, 60, 1000])
@pytest.mark.parametrize("part", ["train", "dev", "test"])
@pytest.mark.parametrize("packing", ["together", "apart"])
def test_every_pair_once_and_equal(inputs, records, apart, packing, part, batch_size, length_buckets):
    inputs, records = (inputs, records) if packing == "together" else apart
    pairs = inputs.split.parts[part]
    batches = list(eval_dataset(records, part, batch_size, length_buckets).as_numpy_iterator())
    assert {batch[INDEX].shape for batch in batches} == {(batch_size,)}  # so that few shapes occur
    assert not any(value[batch[INDEX] < 0].any() for batch in batches for name, value in batch.items() if name != INDEX)
    assert {value.dtype for batch in batches for value in batch.values()} == {np.dtype(np.int32)}
    sides = [[inputs.data.texts[title] for title in side] for side in zip(*((p.a, p.b) for p in pairs), strict=True)]
    packed = inputs.preprocessor(*map(tf.constant, sides))
    expected = {name: packed[name].numpy() for name in inputs.preprocessor.layout.inputs}
    expected |= {LABEL: np.array([pair.label for pair in pairs]), INDEX: np.arange(len(pairs))}
    assert in_order(batches) == in_order([expected])
    assert len(in_order(batches)) == len(pairs)


def test_a_batch_is_as_long_as_its_bucket(apart):
    _, records = apart
    bounds = records.buckets(3).boundaries
    assert len(bounds) > 1 and bounds[-1] == 29  # the longest, and not rounded beyond it
    seen = set()
    for features, _ in train_dataset(records, 8, 0, length_buckets=3).take(30).as_numpy_iterator():
        for side in "ab":
            mask = features[f"{side}_input_mask"]
            below = [bound for bound in (0, *bounds) if bound < mask.shape[1]]
            assert mask.shape[1] in bounds and (mask.sum(axis=1) > below[-1]).all()
            seen.add((side, mask.shape[1]))
    assert len(seen) == 2 * len(bounds)


def test_constant_tokens(apart):
    _, records = apart
    batches = train_dataset(records, 16, 0, length_buckets=3, constant_tokens=True, devices=2)
    tokens, pairs = [], []
    for features, labels in batches.take(60).as_numpy_iterator():
        tokens.append(labels.size * sum(features[f"{side}_input_mask"].shape[1] for side in "ab"))
        pairs.append(labels.size)
    assert all(count % 2 == 0 for count in pairs) and min(pairs) < 16 < max(pairs)
    assert np.ptp(tokens) < 0.3 * np.mean(tokens)  # two pairs more or fewer
    assert np.mean(pairs) == pytest.approx(16, rel=0.15)
    first, _ = next(iter(train_dataset(records, 16, 0, length_buckets=1, constant_tokens=True)))
    assert len(first["a_input_mask"]) == 16


@pytest.mark.parametrize("length_buckets", [1, 4])
def test_every_pass_holds_every_pair(records, length_buckets):
    """But those that wait for a batch of their length to fill."""
    batch_size, passes = 4, 5
    count = records.counts["train"]
    dataset = train_dataset(records, batch_size, 0, length_buckets=length_buckets)
    seen = np.zeros(count, int)
    texts = {
        tuple(row["input_word_ids"]): n
        for n, row in enumerate(in_order(eval_dataset(records, "train", 8).as_numpy_iterator()))
    }
    for features, _ in dataset.take(passes * count // batch_size).as_numpy_iterator():
        for ids, mask in zip(features["input_word_ids"], features["input_mask"], strict=True):
            seen[texts[tuple(ids[: mask.sum()])]] += 1
    assert seen.sum() == passes * count // batch_size * batch_size
    assert passes - 1 <= seen.min() and seen.max() <= passes + 1


@pytest.mark.parametrize(
    ("lengths", "buckets", "expected"),
    [
        ([10, 20, 30, 40], 1, (40,)),
        ([10, 20, 30, 40], 2, (24, 40)),
        ([10, 20, 30, 40], 4, (16, 24, 32, 40)),
        ([10, 11, 12, 99], 2, (16, 100)),
        ([7] * 9, 4, (8,)),
        ([], 4, (100,)),
    ],
)
def test_boundaries(lengths, buckets, expected):
    assert boundaries(np.bincount(np.array(lengths, int), minlength=101), buckets) == expected


def test_counts_and_truncation(inputs, records):
    assert records.counts == {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    tokenizer = inputs.preprocessor.tokenizer
    for part, pairs in inputs.split.parts.items():
        ids = [tokenizer.encode([inputs.data.texts[p.a], inputs.data.texts[p.b]]) for p in pairs]
        assert records.truncated[part] == sum(len(a) + len(b) > LENGTH - 3 for a, b in ids)
    assert 0 < records.truncated["train"] < records.counts["train"]


@pytest.mark.parametrize("length_buckets", [1, 3])
def test_training_order_is_seeded_and_differs_between_passes(records, length_buckets):
    def labels(seed, skip=0):
        dataset = train_dataset(records, 8, seed, skip, length_buckets=length_buckets).take(
            2 * records.counts["train"] // 8 - skip
        )
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
    second = prepare(read_inputs(config, inputs.preprocessor.tokenizer, config.layout), str(tmp_path))
    assert second.fingerprint != first.fingerprint
    assert read_records(str(tmp_path)) == second


def test_changed_data_changes_the_fingerprint(inputs, tiny, tmp_path):
    changed = tmp_path / "honbun.json"
    changed.write_text(open(tiny.flags["honbun"], encoding="utf-8").read() + "\n", encoding="utf-8")
    other = read_inputs(
        dataclasses.replace(inputs.config, honbun=str(changed)), inputs.preprocessor.tokenizer, inputs.config.layout
    )
    assert other.fingerprint != inputs.fingerprint


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_next_pages_are_trained_on_but_none_that_is_tested_on(inputs, pair_rows, tmp_path, method):
    few = tmp_path / "few.json"
    few.write_text(json.dumps([row for row in pair_rows if row[0] < "doc18" and row[0].endswith(("000", "001"))]))
    config = dataclasses.replace(inputs.config, split=method, negaposi=str(few), dev_share=0.0)
    tokenizer = inputs.preprocessor.tokenizer
    plain, more = (
        read_inputs(dataclasses.replace(config, next_page_pairs=n), tokenizer, config.layout) for n in (0, 12)
    )
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


def test_more_next_pages_than_there_are_is_all_of_them(inputs, pair_rows, tmp_path, capsys):
    few = tmp_path / "few.json"
    few.write_text(json.dumps([row for row in pair_rows if row[0] < "doc06"]))

    def read(count):
        config = dataclasses.replace(inputs.config, negaposi=str(few), next_page_pairs=count)
        found = read_inputs(config, inputs.preprocessor.tokenizer, inputs.config.layout)
        return found.fingerprint, list(found.split.parts["train"]), capsys.readouterr().out

    fingerprints, parts, outputs = zip(*map(read, (0, 900, "all")), strict=True)
    assert len(set(fingerprints)) == 3
    assert parts[1] == parts[2] and len(parts[2]) > len(parts[0])
    told = re.search(
        r"--next_page_pairs 900: the \d+ pages .* give only (\d+) pairs; all of them are used\n", outputs[1]
    )
    assert int(told[1]) == len(parts[2]) - len(parts[0])
    assert "give only" not in outputs[0] + outputs[2] and f"{told[1]} self-labelled training pairs" in outputs[2]


def test_next_pages_where_there_are_none_are_refused(inputs):
    config = dataclasses.replace(inputs.config, next_page_pairs=900, group_pattern=r"^(.*)$")
    with pytest.raises(InputError, match=r"--next_page_pairs 900: the \d+ pages .* give no pair; leave it out"):
        read_inputs(config, inputs.preprocessor.tokenizer, inputs.config.layout)


def test_records_cut_short_are_made_again(inputs, tmp_path):
    records = prepare(inputs, str(tmp_path))
    files = os.listdir(tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps({"begun": files}))  # what it holds until all are written
    assert read_records(str(tmp_path)) is None
    assert prepare(inputs, str(tmp_path)) == records


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_many_shards_on_any_path(inputs, tmp_path, monkeypatch, scheme):
    """ram:// stands for every path that is not on this machine's disk: the same calls go to gs://."""
    monkeypatch.setattr("keras_negaposi.input_pipeline.tfrecords.PAIRS_A_SHARD", 11)
    records = prepare(inputs, f"{scheme}{tmp_path}/deep/folder")
    assert len(records.files("test")) == -(-records.counts["test"] // 11) > 1
    assert read_records(records.folder) == records == prepare(inputs, records.folder)
    batches = list(eval_dataset(records, "test", 13).as_numpy_iterator())
    assert [row[LABEL] for row in in_order(batches)] == [pair.label for pair in inputs.split.parts["test"]]


def test_outdated_records_are_said_to_be(inputs, tmp_path, capsys):
    prepare(inputs, str(tmp_path))
    other = read_inputs(dataclasses.replace(inputs.config, seed=1), inputs.preprocessor.tokenizer, inputs.config.layout)
    capsys.readouterr()
    prepare(other, str(tmp_path))
    assert "made again" in capsys.readouterr().out


def prepare_command(tiny, folder):
    names = ("honbun", "negaposi", "model_file", "vocab_file")
    return [*(f"--{name}={tiny.flags[name]}" for name in names), "--max_seq_length=37", f"--output_dir={folder}"]


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "names",
    [
        ["photos-1-of-3.tfrecord"],
        ["train-00000-of-00001.tfrecord"],
        ["split.json"],
        ["notes.tmp1"],
        [".partial-mine/x"],
        ["config.json", "metrics.json", "split.json", "records/metadata.json"],
    ],
)
def test_a_folder_that_is_not_of_records_is_refused(tiny, tmp_path, capsys, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = content(tmp_path)
    assert prepare_main(prepare_command(tiny, tmp_path)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{tmp_path}: not a folder of records" in error and "give a new folder" in error
    assert content(tmp_path) == before


def test_only_what_the_metadata_names_is_replaced(inputs, tmp_path):
    prepare(inputs, str(tmp_path))
    mine = ("photos-1-of-3.tfrecord", "notes.tmp1", ".partial-mine", "train-00001-of-00009.tfrecord")
    for name in mine:
        (tmp_path / name).write_text("mine")
    other = read_inputs(
        dataclasses.replace(inputs.config, seed=1, dev_share=0.0), inputs.preprocessor.tokenizer, inputs.config.layout
    )
    records = prepare(other, str(tmp_path))
    ours = {os.path.basename(file) for part in records.counts for file in records.files(part)}
    assert set(os.listdir(tmp_path)) == {*mine, *ours, "metadata.json", "split.json"}
    assert all((tmp_path / name).read_text() == "mine" for name in mine)
    (tmp_path / "dev-00000-of-00001.tfrecord").write_text("mine")
    with pytest.raises(InputError, match="dev-00000-of-00001.tfrecord: not of these records, which need that name"):
        prepare(inputs, str(tmp_path))
    assert read_records(str(tmp_path)) == records and (tmp_path / "dev-00000-of-00001.tfrecord").read_text() == "mine"


def test_an_input_is_not_replaced(inputs, tiny, tmp_path):
    prepare(inputs, str(tmp_path))
    pairs = tmp_path / "split.json"
    pairs.write_bytes(Path(tiny.flags["negaposi"]).read_bytes())
    other = read_inputs(
        dataclasses.replace(inputs.config, negaposi=str(pairs)), inputs.preprocessor.tokenizer, inputs.config.layout
    )
    before = content(tmp_path)
    with pytest.raises(InputError, match="the records' file .*split.json.* is the same file as the input"):
        prepare(dataclasses.replace(other, fingerprint="another"), str(tmp_path))
    assert content(tmp_path) == before


@pytest.mark.parametrize("call", range(5))
def test_killed_anywhere_it_ends_the_same(inputs, records, tmp_path, monkeypatch, call):
    """Over older records; stopped before the n-th of what is written or removed."""
    folder = tmp_path / "records"
    prepare(
        read_inputs(dataclasses.replace(inputs.config, seed=1), inputs.preprocessor.tokenizer, inputs.config.layout),
        str(folder),
    )
    calls = iter(range(1000))

    def counted(function):
        def work(*arguments):
            if next(calls) == call * 2:
                raise ZeroDivisionError
            return function(*arguments)

        return work

    for name in ("write_json", "remove", "_write_part"):
        monkeypatch.setattr(f"keras_negaposi.input_pipeline.tfrecords.{name}", counted(getattr(records_module, name)))
    with pytest.raises(ZeroDivisionError):
        prepare(inputs, str(folder))
    monkeypatch.undo()
    assert dataclasses.replace(prepare(inputs, str(folder)), folder="") == dataclasses.replace(records, folder="")
    assert content(folder) == content(Path(records.folder))


@bounded
@given(st.data())
def test_property_of_the_metadata(records, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("metadata")
    good = json.loads((Path(records.folder) / "metadata.json").read_text())
    good = data.draw(st.sampled_from([good, {"begun": ["metadata.json", "train-00000-of-00001.tfrecord"]}]))
    changed = st.one_of(
        json_mutations(good).map(json.dumps).map(str.encode),
        mutations(json.dumps(good).encode(), [b'"../x"', b'"begun"', b"/etc/passwd"]),
    )
    (folder / "metadata.json").write_bytes(data.draw(changed))

    def call():
        names = records_module.check_folder(str(folder))
        found = read_records(str(folder))
        assert all(os.path.basename(name) == name for name in names)
        return found and (found.describe(), found.buckets(3), found.files("train"))

    found = succeeds_or_explains(call)
    assert not isinstance(found, InputError) or "metadata.json" in str(found)


@pytest.mark.parametrize("bases", [(DataConfig, HeadConfig), (HeadConfig, DataConfig)])
def test_the_layout_does_not_depend_on_the_order_of_base_classes(bases, inputs):
    both = dataclasses.dataclass(frozen=True)(type("Both", bases, {}))
    given = {name: value for name, value in vars(inputs.config).items() if name in vars(both())}
    config = both(**given | {"head": "vector"})
    assert read_inputs(config, inputs.preprocessor.tokenizer, config.layout).preprocessor.layout.name == SEPARATE
