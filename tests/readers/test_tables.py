"""Tests of tables as spreadsheets, scripts and people write them: all commands read them, or reject them by line."""

import csv
import io
import json
import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers import READERS, detect
from keras_negaposi.readers.table import is_of_pairs, read_pairs, read_rows
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

BY_COMMA = Documents(r"^(.*),")
PAGES = [("庭,001", '石, 苔\nと"池"'), ("庭,002", " 木;草 "), ("海", "\u2028波\x0b\x85")]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def cells(folder, name, content, columns=("title", "text")):
    return [tuple(row[column] for column in columns) for _, row in read_rows(write(folder, name, content))]


def pairs(content, path=""):
    is_json, found = read_pairs(io.BytesIO(content if isinstance(content, bytes) else content.encode()), "stdin", path)
    return is_json, list(found)


def written(rows, **how):
    file = io.StringIO(newline="")
    csv.writer(file, **how).writerows([("title", "text"), *rows])
    return file.getvalue()


READ = {
    "RFC 4180": ("a.csv", written(PAGES)),
    "LF": ("a.csv", written(PAGES, lineterminator="\n")),
    "all quoted": ("a.csv", written(PAGES, quoting=csv.QUOTE_ALL)),
    "Excel of other countries": ("a.csv", written(PAGES, delimiter=";")),
    "Excel's separator line": ("a.csv", "sep=;\r\n" + written(PAGES, delimiter=";")),
    "another separator": ("a.csv", "sep=|\r\n" + written(PAGES, delimiter="|")),
    "tabs in a .csv": ("a.csv", written(PAGES, delimiter="\t")),
    "commas in a .tsv": ("a.tsv", written(PAGES)),
    "excel-tab": ("a.tsv", written(PAGES, dialect="excel-tab")),
    "UTF-8 with its mark": ("a.csv", b"\xef\xbb\xbf" + written(PAGES).encode()),
    "Excel's Unicode text": ("a.tsv", written(PAGES, dialect="excel-tab").encode("utf-16")),
    "UTF-16, big end first": ("a.csv", b"\xfe\xff" + written(PAGES).encode("utf-16-be")),
    "a suffix in capitals": ("a.CSV", written(PAGES)),
    "JSON lines": ("a.jsonl", "\r\n".join(json.dumps({"title": a, "text": b}) for a, b in PAGES)),
}


@pytest.mark.parametrize("name", READ)
def test_what_programs_write_is_read_as_it_was(name, tmp_path):
    assert cells(tmp_path, *READ[name]) == PAGES


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "\ufeff Title ,TEXT\nt,x\n", [("t", "x")]),
        ("a.csv", "text,more,title\nx,,t\n", [("t", "x")]),
        ("a.csv", "title,text,,\nt,x,,\n,,,\n\n  \nu,y\n", [("t", "x"), ("u", "y")]),
        ("a.csv", "\n\ntitle,text\nt,x", [("t", "x")]),
        ("a.csv", b"title,text\rt,x\ru,y\r", [("t", "x"), ("u", "y")]),
        ("a.csv", 'title,text\nt,say "x" 5"\n', [("t", 'say "x" 5"')]),
        ("a.csv", 'title,text\nt,"x\ny, z\nw"\n', [("t", "x\ny, z\nw")]),
        ("a.tsv", 'title\ttext\nt\t"x" said\nu\tsaid "y"\n', [("t", '"x" said'), ("u", 'said "y"')]),
        ("a.tsv", 'title\ttext\nt\t"x\ty"\n', [("t", "x\ty")]),
        ("a.csv", "title,text\nt," + "x" * 200_000, [("t", "x" * 200_000)]),
    ],
)
def test_what_people_write_is_read_where_it_is_clear(name, content, expected, tmp_path):
    assert cells(tmp_path, name, content) == expected


LABELLED = "text_a,text_b,label\n"
REFUSED = {
    "surplus cells": ("a.csv", "title,text\nt,x\nu,y, z\n", "line 3: has 3 cells, but there are 2 columns"),
    "a surplus cell that is empty": ("a.csv", "title,text\nt,x,\n", "line 2: has 3 cells"),
    "missing cells": ("a.csv", LABELLED + "a,b,1\na,b\n", "line 3: has no label"),
    "a column twice": ("a.csv", "title,Text ,text\nt,x,y\n", 'line 1: two columns have the name "text"'),
    "no names": ("a.csv", "a,b,1\n", "line 1: has no text_a and no text_b and no label"),
    "one name short": ("a.tsv", "title\tbody\nt\tx\n", "line 1: has no text;"),
    "names alone": ("a.csv", "title,text\n", "contains no rows"),
    "nothing": ("a.csv", "", "contains no rows"),
    "no title": ("a.csv", "title,text\n ,x\n", "line 2: the title is empty"),
    "Shift-JIS": ("a.csv", "title,text\nt,x\n表,ソ\n".encode("cp932"), "line 3: not UTF-8 at byte 0 of the line"),
    "cut off UTF-8": ("a.csv", "title,text\nt,あ".encode()[:-1], "line 2: not UTF-8 at byte 2"),
    "cut off UTF-16": ("a.csv", "title,text\nt,x".encode("utf-16")[:-1], "cut off in the middle of a character"),
    "UTF-16 without its mark": ("a.csv", "title,text\nt,x".encode("utf-16-le"), "line 1: contains a NUL character"),
    "half a surrogate in UTF-16": ("a.csv", b"\xff\xfe" + "title,text\nt,".encode("utf-16-le") + b"\0\xd8", "line 2:"),
    "half a surrogate in UTF-8": ("a.csv", b"title,text\nt,\xed\xa0\x80", "line 2: not UTF-8 at byte 2"),
    "half a surrogate in JSON": ("a.jsonl", rb'{"title": "t", "text": "x\ud800"}', '"text": character 2 is half'),
    "a NUL character": ("a.csv", "title,text\nt,x\0\n", "line 2: contains a NUL character"),
    "never closed": ("a.csv", 'title,text\nt,x\nu,"y\nv,z\n', "line 3: the cell"),
    "text behind a quotation": ("a.csv", 'title,text\nt,"x"y\n', "line 2: text follows the closing quotation mark"),
    "a space before a quotation": ("a.csv", 'title,text\nt, "x"\n', "line 2: remove the space before"),
    "rows in a cell": ("a.csv", 'title,text\nt,"x\nu,y\nv,z"\n', "line 2: the cell"),
    "labels in a cell": ("a.csv", LABELLED + 'a,"b,1\nc,d",0\n', "line 2: the cell"),
    "tabs and lines in a cell": ("a.tsv", 'title\ttext\nt\t"x\nu\ty"\n', "line 2: the cell"),
    "a key twice": ("a.jsonl", '{"title": "t", "text": "x", "text": "y"}', 'line 1: the key "text" appears twice'),
    "a large number": ("a.jsonl", '{"title": "t", "text": %s}' % ("9" * 5000), "line 1: the number"),
    "nested": ("a.jsonl", "\n" + "[" * 100_000, "line 2: nested too deeply"),
    "a list": ("a.jsonl", '[{"title": "t", "text": "x"}]', "line 1: must be an object of columns"),
    "a title that is a number": ("a.jsonl", '{"title": 1, "text": "x"}', "line 1: title must be a string, not 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_unclear_is_refused_with_its_line(name, tmp_path):
    file, content, message = REFUSED[name]
    with pytest.raises(InputError) as error:
        list(read_rows(write(tmp_path, file, content)))
        list(READERS["table"](str(tmp_path / file), BY_COMMA))
    assert message in str(error.value) and str(tmp_path / file) in str(error.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv"])
@pytest.mark.parametrize("opened", ['"話', '"'])
def test_a_stray_quotation_mark_swallows_no_rows(suffix, opened, tmp_path):
    """A quotation mark opens in one row, and another closes in a later one; no row is lost silently."""
    mark = "," if suffix == "csv" else "\t"
    for begin, end in [(3, 30), (0, 1), (5, 6), (38, 39)]:
        texts = [f"話題{number}" for number in range(40)]
        texts[begin], texts[end] = opened, '閉じる"'
        rows = [f"一枚目{number}{mark}{text}{mark}{number % 2}\n" for number, text in enumerate(texts)]
        path = write(tmp_path, f"a.{suffix}", mark.join(("text_a", "text_b", "label\n")) + "".join(rows))
        with pytest.raises(InputError, match=f"line {begin + 2}: "):
            list(read_rows(path))


def test_random_tables_come_back_as_they_were(tmp_path):
    """Reads what Python writes in Excel's dialects. Only a cell with both tabs and line breaks may be rejected."""
    rng = random.Random(0)
    parts = ["あ", '"', ",", ";", "\t", "\n", "\r\n", " ", '""', "a", "、", "\u2028", "'", "\\", "="]
    refused = 0
    for number in range(300):
        rows = [(f"題{i}" + rng.choice(parts), "".join(rng.choices(parts, k=rng.randrange(8)))) for i in range(1, 5)]
        how = rng.choice([{"dialect": "excel"}, {"dialect": "unix"}, {"dialect": "excel-tab"}, {"delimiter": ";"}])
        try:
            assert cells(tmp_path, f"{number}.csv", written(rows, **how)) == rows
        except InputError as error:
            assert "begins with a quotation mark" in str(error) and "\n" in written(rows)
            refused += how == {"dialect": "excel"}
    assert refused < 3


@pytest.mark.parametrize(
    ("content", "path", "is_json", "expected"),
    [
        ("a\tb\nc\td", "", False, [("a", "b"), ("c", "d")]),
        ("text_a\ttext_b\na\tb\n", "", False, [("a", "b")]),
        ("label\ttext_b\tText_A\n1\tb\ta\n", "", False, [("a", "b")]),
        ('"a"\t"b ""c"""\n', "", False, [("a", 'b "c"')]),
        ('a\t"b\nc"\nd\te\n', "", False, [("a", "b\nc"), ("d", "e")]),
        ("\t\n", "", False, [("", "")]),
        ('text_a,text_b\n"a, b",c\n', "x.csv", False, [("a, b", "c")]),
        ("text_a;text_b\na;b\n", "", False, [("a", "b")]),
        ("a\tb\n", "x.csv", False, [("a", "b")]),
        ('[ "a", "b"]\n["c","d"]\n', "", True, [("a", "b"), ("c", "d")]),
        ('{"text_b": "b", "text_a": "a", "label": 1}\n', "", True, [("a", "b")]),
        ('["a",\t"b"]\n', "", True, [("a", "b")]),
        ('["a", "b"]\n', "x.tsv", True, [("a", "b")]),
        ('{"x": 1\tb\n{y\tz\n', "", False, [('{"x": 1', "b"), ("{y", "z")]),
        ('["a", "b"]\tc\n', "", False, [('["a", "b"]', "c")]),
        ("[注]\tx\n", "", False, [("[注]", "x")]),
        ("a\tb\r\n".encode("utf-16"), "", False, [("a", "b")]),
        ("a\u2028\x0b\tb\x85\n", "", False, [("a\u2028\x0b", "b\x85")]),
        ("", "", False, []),
        ("", "x.jsonl", True, []),
    ],
)
def test_predict_reads_tables_too(content, path, is_json, expected):
    assert pairs(content, path) == (is_json, expected)


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        ("text_a\ttext_b\na\n", "", "line 2: has no text_b"),
        ("text_a\ttext_b\na\tb\tc\n", "", "line 2: has 3 cells"),
        ("text_a\tnext\na\tb\n", "", "line 1: has no text_b"),
        ("a,b\n", "x.csv", "line 1: has no text_a and no text_b"),
        ("a\tb\n\nc\td\n", "", "line 2: is blank"),
        ("text_a\ttext_b\na\tb\n \n", "", "line 3: is blank"),
        ('["a", "b"]\n\n', "", "line 2: is blank"),
        ('["a", "b", "c"]\n', "", "line 1: must be"),
        ('{"text_a": "a", "text_b": "b", "text_a": "c"}\n', "", 'line 1: the key "text_a" appears twice'),
        ("a\tb\n", "x.jsonl", "line 1: not JSON at column 1"),
        ('a\t"b\nc\td\n', "", "line 1: the cell"),
        ('"a\tb"\n', "", "line 1: must be text_a<TAB>text_b, but has 1 columns"),
    ],
)
def test_predict_refuses_what_is_no_pair_a_row(content, path, message):
    with pytest.raises(InputError, match="stdin: " + message):
        pairs(content, path)


def test_pairs_come_as_soon_as_their_lines_do():
    read, write_end = os.pipe()
    with open(read, "rb") as file, open(write_end, "wb", buffering=0) as other:
        other.write("text_a\ttext_b\r\nあ\tb\r\n".encode())
        _, found = read_pairs(file, "stdin")
        assert next(found) == ("あ", "b")
        other.write(b'"c\n')
        other.write(b'd"\te\n')
        assert next(found) == ("c\nd", "e")
        other.write("f\tい".encode()[:-1])
        other.write("い\n".encode()[-2:])
        assert next(found) == ("f", "い")


def test_a_column_named_label_makes_no_pairs_of_pages(tmp_path):
    assert not is_of_pairs(write(tmp_path, "a.csv", "title,text,label\nt,x,1\n"))
    assert is_of_pairs(write(tmp_path, "b.csv", LABELLED + "a,b, 1 \n"))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_pages_are_in_the_order_of_their_numbers(name, tmp_path):
    """Rows sorted as text, with documents mixed: 10 comes after 2, and where 3 is missing, 2 has no next page."""
    titles = sorted(["講演,1", "講演,2", "講演,4", "講演,10", "講演,11", "話,7", "話,08", "文"], key=lambda t: t[::-1])
    rows = [(title, f"{title}の本文") for title in titles]
    if name == "a.json":
        content = json.dumps(dict(rows))
    elif name == "a.jsonl":
        content = "\n".join(json.dumps({"title": title, "text": text}) for title, text in rows)
    else:
        content = written(rows, dialect="excel" if name == "a.csv" else "excel-tab")
    path = write(tmp_path, name, content)
    documents = {document.title: document for document in READERS[detect(path)](path, BY_COMMA)}
    assert documents.keys() == {"講演", "話", "文"}
    assert documents["講演"].page_titles == ["講演,1", "講演,2", "", "講演,4", "", "講演,10", "講演,11"]
    assert [len(lines) for lines in documents["講演"].pages] == [1, 1, 0, 1, 0, 1, 1]
    assert documents["話"].page_titles == ["話,7", "話,08"]
    assert documents["文"].page_titles is None


def test_pages_without_numbers_keep_their_order(tmp_path):
    path = write(tmp_path, "a.csv", written([("庭,終", "x"), ("海,1", "y"), ("庭,始", "z"), ("海," + "9" * 5000, "w")]))
    first, second = READERS["table"](path, BY_COMMA)
    assert first.page_titles == ["庭,終", "庭,始"]
    assert second.page_titles[:2] == ["海,1", ""]


@pytest.mark.parametrize("way", ["same", "symbolic link", "hard link", "dots"])
def test_predict_does_not_write_over_its_input(way, tmp_path, capsys):
    from keras_negaposi.predict import main

    path, output = tmp_path / "in.tsv", tmp_path / "out.tsv"
    path.write_text("a\tb\n")
    if way == "symbolic link":
        output.symlink_to(path)
    elif way == "hard link":
        output.hardlink_to(path)
    else:
        output = path if way == "same" else tmp_path / ".." / tmp_path.name / "in.tsv"
    assert main([str(tmp_path / "run"), "--input", str(path), "--output", str(output)]) == 2
    assert "is the input" in capsys.readouterr().err
    assert path.read_text() == "a\tb\n"


@pytest.mark.parametrize("name", ["config.json", "saved_model/saved_model.pb", "scores_test.tsv"])
def test_predict_does_not_write_over_its_run(name, tmp_path, capsys):
    from keras_negaposi.predict import main

    (tmp_path / "in.tsv").write_text("a\tb\n")
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    (tmp_path / "link").symlink_to(path)
    for output in (path, tmp_path / "link"):
        assert main([str(tmp_path / "run"), "--input", str(tmp_path / "in.tsv"), "--output", str(output)]) == 2
        assert "is a file of the run" in capsys.readouterr().err
    assert path.read_text() == "mine"


def test_long_lines_and_many_cells_take_linear_time(tmp_path):
    for name, content in [
        ("a.csv", "title,text\nt," + "x" * (8 << 20) + "\n"),
        ("a.csv", "title,text\n" + '"q",' * 200_000 + "\n"),
        ("a.csv", "title,text," + ",".join(map(str, range(200_000))) + "\nt,x\n"),
        ("a.csv", 'title,text\nt,"' + "x y\n" * 500_000),
        ("a.csv", 'title,text\nt,"' + '""' * 1_000_000 + '"\n'),
        ("a.tsv", "title\ttext\n" + '"b" c\t' * 200_000 + "\n"),
        ("a.tsv", "title\ttext\n" + '"b\t' * 200_000 + "\n"),
    ]:
        path = write(tmp_path, name, content)
        succeeds_or_explains(lambda path=path: sum(1 for _ in read_rows(path)))


GOOD = {
    "a.csv": (LABELLED + 'あ,"い, ""x""",1\nう,"え\nお",0\n').encode(),
    "a.tsv": 'title\ttext\n庭,1\t石\n庭,2\t"苔\n池"\n"海"\t"波" と\n'.encode(),
    "a.jsonl": b'{"title": "a,1", "text": "x"}\n{"title": "a,2", "text": "y\\u3042"}\n',
    "a.ndjson": b'["a", "b"]\n{"text_a": "c", "text_b": "d", "label": 1}\n',
}


@pytest.mark.parametrize("name", GOOD)
@bounded
@given(data=st.data())
def test_property_tables(name, data, tmp_path_factory):
    content = data.draw(mutations(GOOD[name], [b"sep=;\n", b'"\t', b'",', b'\n"', b"\xff\xfe", b"\r"]))
    path = write(tmp_path_factory.getbasetemp(), name, content)
    found = succeeds_or_explains(lambda: list(read_rows(path)))
    assert path in str(found) if isinstance(found, InputError) else all(place.startswith(path) for place, _ in found)
    if "title" in GOOD[name].decode():
        succeeds_or_explains(lambda: list(READERS["table"](path, BY_COMMA)))
    found = succeeds_or_explains(lambda: pairs(content, data.draw(st.sampled_from(["", name]))))
    if not isinstance(found, InputError):
        assert all(isinstance(text, str) and text.encode() is not None for pair in found[1] for text in pair)
