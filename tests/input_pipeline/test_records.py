"""TFRecords: counts of pairs, and reuse only if nothing has changed."""

import dataclasses
import json
import os

import pytest

from keras_negaposi.input_pipeline.datasets import eval_dataset
from keras_negaposi.input_pipeline.feature_spec import LABEL
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.record_folder import read_records
from keras_negaposi.input_pipeline.tfrecords import prepare
from tests.helpers.batches import LENGTH, in_order


def test_counts_and_truncation(inputs, records):
    assert records.counts == {part: len(pairs) for part, pairs in inputs.split.parts.items()}
    tokenizer = inputs.preprocessor.tokenizer
    for part, pairs in inputs.split.parts.items():
        ids = [tokenizer.encode([inputs.data.texts[p.a], inputs.data.texts[p.b]]) for p in pairs]
        assert records.truncated[part] == sum(len(a) + len(b) > LENGTH - 3 for a, b in ids)
    assert 0 < records.truncated["train"] < records.counts["train"]


def test_reused_only_with_the_same_fingerprint(inputs, records, capsys):
    before = {name: os.path.getmtime(os.path.join(records.folder, name)) for name in os.listdir(records.folder)}
    assert prepare(inputs, records.folder) == records
    assert capsys.readouterr().out.startswith("reused")
    assert before == {name: os.path.getmtime(os.path.join(records.folder, name)) for name in before}


@pytest.mark.parametrize(
    "change",
    [{"max_seq_length": 36}, {"truncate_a": "start"}, {"prefix_b": "本文: "}, {"seed": 1}, {"do_lower_case": False}],
)
def test_any_change_creates_the_records_again(inputs, tmp_path, change):
    first = prepare(inputs, str(tmp_path))
    config = dataclasses.replace(inputs.config, **change)
    second = prepare(read_inputs(config, inputs.preprocessor.tokenizer, config.layout), str(tmp_path))
    assert second.fingerprint != first.fingerprint
    assert read_records(str(tmp_path)) == second


def test_interrupted_records_are_created_again(inputs, tmp_path):
    records = prepare(inputs, str(tmp_path))
    files = os.listdir(tmp_path)
    (tmp_path / "metadata.json").write_text(json.dumps({"begun": files}))  # its content until all files are written
    assert read_records(str(tmp_path)) is None
    assert prepare(inputs, str(tmp_path)) == records


@pytest.mark.parametrize("scheme", ["", "ram://"])
def test_many_shards_on_any_path(inputs, tmp_path, monkeypatch, scheme):
    """ram:// represents any path that is not on a local disk, such as gs://: the same functions are called."""
    monkeypatch.setattr("keras_negaposi.input_pipeline.record_folder.PAIRS_A_SHARD", 11)
    records = prepare(inputs, f"{scheme}{tmp_path}/deep/folder")
    assert len(records.files("test")) == -(-records.counts["test"] // 11) > 1
    assert read_records(records.folder) == records == prepare(inputs, records.folder)
    batches = list(eval_dataset(records, "test", 13).as_numpy_iterator())
    assert [row[LABEL] for row in in_order(batches)] == [pair.label for pair in inputs.split.parts["test"]]


def test_outdated_records_are_reported(inputs, tmp_path, capsys):
    prepare(inputs, str(tmp_path))
    other = read_inputs(dataclasses.replace(inputs.config, seed=1), inputs.preprocessor.tokenizer, inputs.config.layout)
    capsys.readouterr()
    prepare(other, str(tmp_path))
    assert "created again" in capsys.readouterr().out
