"""Tests of tables of labelled pairs: names of columns, groups, Parquet, and the JSON files that a run makes of them."""

import io
import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairSource
from keras_negaposi.pair_generation.labelled_rows import read_labelled_pairs
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.readers import detect
from keras_negaposi.readers.labelled_rows import LabelledRow, read_pair_table, text_title, titled_pairs
from keras_negaposi.readers.pair_source import read_source, source_digests, write_source
from keras_negaposi.readers.table import read_pairs
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

PLAIN = "text_a,text_b,label\n"
ROWS = [("一", '二, "2"', 1, "庭"), ("一", "三\n3", 0, "海, 冬"), ("四", "五", 1, "庭")]
GROUPED = ("text_a", "text_b", "label", "group")


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def csv_of(rows, names):
    def cell(value):
        return '"' + str(value).replace('"', '""') + '"'

    return "\n".join(",".join(map(cell, row)) for row in [names, *rows])


def jsonl_of(rows, names):
    return "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)


def parquet_of(rows, names):
    pyarrow = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    from pyarrow import parquet

    file = io.BytesIO()
    table = pyarrow.table({name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)})
    parquet.write_table(table, file)
    return file.getvalue()


WRITERS = {"csv": csv_of, "jsonl": jsonl_of, "parquet": parquet_of}


def as_rows(data):
    return [(data.texts[pair.a], data.texts[pair.b], pair.label, pair.a.rpartition(",")[0]) for pair in data.pairs]


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize(
    ("names", "columns", "width"),
    [
        (GROUPED, (), 4),
        ((" Text_A", "TEXT_B", "Label", "Group "), (), 4),
        (("前", "Text.b", "正解", "text_a"), ("前", "text.B", "正解", "text_a"), 4),
        (("a", "b", "c", "group"), ("A", "b", "c"), 3),
        (("text_b", "text_a", "label", "x"), ("text_b", "text_a", "label"), 3),
    ],
)
def test_all_formats_give_the_same_pairs_under_any_names(kind, names, columns, width, tmp_path):
    data = read_pair_table(write(tmp_path, f"a.{kind}", WRITERS[kind](ROWS, names)), columns)
    assert as_rows(data) == [row[:width] + ("",) * (4 - width) for row in ROWS]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_missing_column_is_named_with_those_that_are_there(kind, tmp_path):
    path = write(tmp_path, f"a.{kind}", WRITERS[kind](ROWS, ("a", "b", "label", "g")))
    for columns, words in {
        (): ("has no text_a and no text_b; ", '"a", "b", "label", "g"', "--columns TEXT_A,TEXT_B,LABEL"),
        ("a", "後", "label"): ("has no 後; ", "a and 後 and label", '"a", "b", "label", "g"', "--columns"),
        ("a", "b", "label", "h"): ("has no h; ", "--columns TEXT_A,TEXT_B,LABEL,GROUP"),
    }.items():
        with pytest.raises(InputError) as error:
            read_pair_table(path, columns)
        assert str(error.value).startswith(path) and all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN, "contains no rows"),
        ("", "contains no rows"),
        (PLAIN + "a,b,1\na,c,1\n", "every label is 1"),
        (PLAIN + "a,b,1\na,c,2\n", 'line 3: the label "2" is invalid; use 1 (B comes next) or 0, since graded labels'),
        (PLAIN + "a,b,0.7\n", "more than two classes are not supported"),
        (PLAIN + "a,b,1\na,b,0\n", "line 3: the same two texts have the other label above"),
        ("text_a,text_b,label,group\na,b,1,x\na,c,0,\n", "line 3: the group is empty"),
        ("text_a,text_b,label,group\na,b,1,x\na,c,0\n", "line 3: every row, or none, must have a group"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_refused(content, message, tmp_path):
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(InputError) as error:
        read_pair_table(path)
    assert str(error.value).startswith(path) and message in str(error.value)


def row(a, b, label, group=None, line=2):
    return LabelledRow(f"p.csv: line {line}", a, b, label, group)


def test_labelled_texts_get_titles_in_which_the_group_is_the_document():
    data = titled_pairs([row("一", "二", 1, "庭, 春"), row("一", "三", "0", "海"), row("一", "二", True, "庭, 春")])
    assert [(pair.a, pair.b, pair.label) for pair in data.pairs] == [
        (text_title("一", "庭, 春"), text_title("二", "庭, 春"), 1),
        (text_title("一", "海"), text_title("三", "海"), 0),
    ]
    assert sorted(data.texts.values()) == ["一", "一", "三", "二"] and data.repeated == 1
    data = titled_pairs([row("一", "二", 1), row("一", "三", 0)])
    assert list(data.texts) == [*map(text_title, "一二三")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a", "b", 1), row("a", "b", 0, line=3)], "line 3: the same two texts have the other label above"),
        ([row("a", "b", 1, "x"), row("a", "b", 0, "y", 3)], "line 3: the same two texts have the other label above"),
        ([row("a", "b", 1, " ")], "line 2: the group is empty"),
        ([row("a", "b", 1, 7)], "line 2: group must be a string, not 7"),
        ([row("a", "b", 1, "x"), row("a", "c", 0, None, 3)], "line 3: every row, or none, must have a group"),
        ([row("a", "b", 1), row("a", "c", 0, "x", 3)], "line 3: every row, or none, must have a group"),
        ([row("a", None, 1)], "line 2: text_b must be a string, not None"),
        ([row("\ud800", "b", 1)], "line 2: text_a: character 1 is half a surrogate pair"),
        ([row("a", "b", 2)], "line 2: the label 2 is invalid; use 1 "),
        ([row("a", "b", 0.5)], "line 2: the label 0.5 is invalid; use 1 "),
    ],
)
def test_labelled_rows_that_cannot_be_pairs_are_refused(rows, message):
    with pytest.raises(InputError) as error:
        titled_pairs(rows)
    assert str(error.value).startswith(f"p.csv: {message}")


def test_titles_of_labelled_texts_do_not_collide(tmp_path):
    texts = ["text 2074344", "text 39495122"]  # their SHA-1 has the same first 48 bits, which were once the titles
    path = write(tmp_path, "a.csv", PLAIN + "".join(f"{text},続き,{number}\n" for number, text in enumerate(texts)))
    store = PageStore(str(tmp_path / "pages.sqlite"))
    generated = read_labelled_pairs(path, store)
    assert [(store[pair.a], pair.label) for pair in generated.pairs] == [(texts[0], 0), (texts[1], 1)]
    assert len(generated.pairs[0].a) == 32


def test_a_collision_of_titles_is_refused(tmp_path):
    store = PageStore(str(tmp_path / "pages.sqlite"))
    store.add(text_title("一"), "another")
    with pytest.raises(InputError, match="line 2: text_a has the title"):
        read_labelled_pairs(write(tmp_path, "a.csv", PLAIN + "一,二,1\n"), store)


def test_the_json_files_of_a_table_are_read_equally(tmp_path):
    rows = [*ROWS, ROWS[0], ("\u2028", "\x85\x00", 0, "庭\n海")]
    table = PairSource(pairs=write(tmp_path, "a.jsonl", jsonl_of(rows, GROUPED)))
    data = read_source(table)
    files = {"honbun": str(tmp_path / "h.json"), "negaposi": str(tmp_path / "n.json")}
    write_source(data, files)
    again = read_source(PairSource(**files))
    assert again.pairs == data.pairs and list(again.texts.items()) == list(data.texts.items())
    np.testing.assert_array_equal(again.pairs.rows, data.pairs.rows)
    assert source_digests(table, data) == source_digests(PairSource(**files), again)


@pytest.mark.parametrize("kind", WRITERS)
def test_predict_takes_names_of_columns(kind, tmp_path):
    content = WRITERS[kind](ROWS, ("前", "後", "text_a", "x"))
    content = content if isinstance(content, bytes) else content.encode()
    is_json, found = read_pairs(io.BytesIO(content), "in", f"in.{kind}", ("前", "後"))
    assert is_json == (kind == "jsonl") and list(found) == [row[:2] for row in ROWS]
    with pytest.raises(InputError, match="has no b; .*--columns TEXT_A,TEXT_B"):
        list(read_pairs(io.BytesIO(content), "in", f"in.{kind}", ("前", "b"))[1])


def test_names_of_columns_need_a_header():
    with pytest.raises(InputError, match="line 1: has no 前 and no 後"):
        list(read_pairs(io.BytesIO(b"a\tb\n"), "stdin", "", ("前", "後"))[1])


def test_parquet_is_detected_and_its_rows_are_named(tmp_path):
    path = write(tmp_path, "a.parquet", parquet_of([("a", "b", 1), ("a", None, 0)], GROUPED[:3]))
    assert detect(path) == "table"
    with pytest.raises(InputError, match=r"a.parquet: row 2: has no text_b"):
        read_pair_table(path)
    for content in (b"", b"PAR1", b"text_a,text_b,label\n"):
        with pytest.raises(InputError, match=r"b.parquet: not a readable Parquet file \(.*\); write it again"):
            read_pair_table(write(tmp_path, "b.parquet", content))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'keras_negaposi\[parquet\]', or save the table as CSV"):
        read_pair_table(write(tmp_path, "a.parquet", b"PAR1"))


@pytest.mark.parametrize("kind", WRITERS)
@bounded
@given(data=st.data())
def test_property_pair_tables(kind, data, tmp_path_factory):
    content = WRITERS[kind](ROWS, GROUPED)
    content = content if isinstance(content, bytes) else content.encode()
    path = write(tmp_path_factory.getbasetemp(), f"p.{kind}", data.draw(mutations(content, [b"group", b'"', b"PAR1"])))
    columns = data.draw(st.sampled_from([(), GROUPED, GROUPED[:3]]))
    found = succeeds_or_explains(lambda: read_pair_table(path, columns))
    if isinstance(found, InputError):
        assert path in str(found)
    else:
        assert set(found.pairs.labels.tolist()) == {0, 1}
        assert all(
            ",".join(filter(None, [pair.a.rpartition(",")[0], text_title(found.texts[pair.a])])) == pair.a
            for pair in found.pairs
        )
