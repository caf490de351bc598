"""The data before anything is written: fingerprint, next-page pairs and input layout."""

import dataclasses
import json
import re

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig
from keras_negaposi.config.heads import SEPARATE
from keras_negaposi.config.training import HeadConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.input_pipeline.prepared_data import read_inputs


def test_changed_data_changes_the_fingerprint(inputs, tiny, tmp_path):
    changed = tmp_path / "honbun.json"
    changed.write_text(open(tiny.flags["honbun"], encoding="utf-8").read() + "\n", encoding="utf-8")
    other = read_inputs(
        dataclasses.replace(inputs.config, honbun=str(changed)), inputs.preprocessor.tokenizer, inputs.config.layout
    )
    assert other.fingerprint != inputs.fingerprint


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_next_page_pairs_contain_no_page_of_the_held_out_parts(inputs, pair_rows, tmp_path, method):
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
    reported = re.search(
        r"--next_page_pairs 900: the \d+ pages .* give only (\d+) pairs; all of them are used\n", outputs[1]
    )
    assert int(reported[1]) == len(parts[2]) - len(parts[0])
    assert "give only" not in outputs[0] + outputs[2] and f"{reported[1]} self-labelled training pairs" in outputs[2]


def test_next_pages_where_there_are_none_are_refused(inputs):
    config = dataclasses.replace(inputs.config, next_page_pairs=900, group_pattern=r"^(.*)$")
    with pytest.raises(InputError, match=r"--next_page_pairs 900: the \d+ pages .* give no pair; leave it out"):
        read_inputs(config, inputs.preprocessor.tokenizer, inputs.config.layout)


@pytest.mark.parametrize("bases", [(DataConfig, HeadConfig), (HeadConfig, DataConfig)])
def test_the_layout_does_not_depend_on_the_order_of_base_classes(bases, inputs):
    both = dataclasses.dataclass(frozen=True)(type("Both", bases, {}))
    given = {name: value for name, value in vars(inputs.config).items() if name in vars(both())}
    config = both(**given | {"head": "vector"})
    assert read_inputs(config, inputs.preprocessor.tokenizer, config.layout).preprocessor.layout.name == SEPARATE
