"""A folder of records: only files of records are replaced, and damaged metadata is explained."""

import dataclasses
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.input_pipeline import tfrecords
from keras_negaposi.input_pipeline.prepared_data import read_inputs
from keras_negaposi.input_pipeline.record_folder import check_folder, read_records
from keras_negaposi.input_pipeline.tfrecords import prepare
from keras_negaposi.prepare import main as prepare_main
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains


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
def test_a_folder_with_other_files_is_rejected(tiny, tmp_path, capsys, names):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = content(tmp_path)
    assert prepare_main(prepare_command(tiny, tmp_path)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{tmp_path}: not a folder of records" in error and "give a new folder" in error
    assert content(tmp_path) == before


def test_only_files_that_the_metadata_names_are_replaced(inputs, tmp_path):
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
    with pytest.raises(InputError, match="dev-00000-of-00001.tfrecord: does not belong to the records, but they need"):
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
def test_records_are_complete_after_an_interruption_anywhere(inputs, records, tmp_path, monkeypatch, call):
    """Older records are replaced, and the n-th write or removal is interrupted."""
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
        monkeypatch.setattr(f"keras_negaposi.input_pipeline.tfrecords.{name}", counted(getattr(tfrecords, name)))
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
        names = check_folder(str(folder))
        found = read_records(str(folder))
        assert all(os.path.basename(name) == name for name in names)
        return found and (found.describe(), found.buckets(3), found.files("train"))

    found = succeeds_or_explains(call)
    assert not isinstance(found, InputError) or "metadata.json" in str(found)
