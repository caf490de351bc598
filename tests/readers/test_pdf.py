"""Tests of PDF: the text of files from real tools, and files that are protected, empty, scanned or damaged."""

import pytest
from hypothesis import given

from checkpoints_tools.common.errors import InputError
from keras_negaposi.pairs import main
from keras_negaposi.readers.pdf import page_lines, read_pdf
from tests.helpers.pdfs import locked, pdf_of
from tests.helpers.properties import bounded, cpu_seconds, mutations, succeeds_or_explains

pytest.importorskip("pypdfium2")


def texts(path):
    return {
        document.title: [[line.text for line in page] for page in document.pages] for document in read_pdf(str(path))
    }


def test_a_word_that_a_hyphen_cut_is_whole_again(tmp_path):
    lines = ["This slide shows infor-", "mation retrieval and co-", "operation in 2019-", "2020 - a well-known way"]
    (tmp_path / "a.pdf").write_bytes(pdf_of([lines]))
    ((page,),) = texts(tmp_path).values()
    whole = " ".join(page)
    assert "shows information retrieval and cooperation in" in whole and "a well-known way" in whole
    assert not any(ord(character) < 32 for character in whole)


def test_radicals_are_the_characters_that_they_look_like(tmp_path):
    codes = ["2F08", "2F2F", "77E5", "80FD", "2ED1", "2F3E", "2EE8", "2E9F", "FF21", "FF11", "2F24"]
    (tmp_path / "a.pdf").write_bytes(pdf_of([["".join(f"{n:04x}" for n in range(1, 12))]], codes))
    assert texts(tmp_path) == {"a": [["人工知能長戸麦母Ａ１大"]]}


@pytest.mark.parametrize(
    "text, lines",
    [
        ("informa‐\r\ntion and x-\r\ny A‐\r\nB", ["information and x-", "y A‐", "B"]),  # a soft hyphen of Chrome
        ("soft\xadware soft\xad\r\nware", ["software software"]),
        ("a\x00b\x07c\x0bd\x85e\ufefff\uffff", ["abc", "d", "ef"]),
        ("全角ＡＢＣ１２㈱ﾊﾝｶｸ", ["全角ＡＢＣ１２㈱ﾊﾝｶｸ"]),
        ("\u2028一\u2029二", ["一", "二"]),
        ("", []),
    ],
)
def test_control_characters_go_and_full_width_forms_stay(text, lines):
    assert [line.text for line in page_lines(text)] == lines


COLUMN = ["庭の石は長い年月をかけて少しずつ形を変えてい", "くものであり、その変化を見ることが楽しみの一", "つである。"]


@pytest.mark.parametrize(
    "lines, joined",
    [
        (COLUMN, ["".join(COLUMN)]),
        (["今日の主題", *COLUMN, "庭", "池"], ["今日の主題", "".join(COLUMN), "庭", "池"]),
        (["庭の話", "池の話", "これらは大事だ。"], None),  # items
        (["庭の石は長い年月をかけて少しずつ形を変えてい", "くものである"], None),  # nothing ends the sentence
        (["庭の石は長い年月をかけて形を変える。", "池の水は長い年月をかけて減ってきた。"], None),
        (["短い表題について", "庭の石は長い年月をかけて少しずつ形を変えていくもの。"], None),
        (["Python で庭の石の形を調べて表にまとめる with", "other words だ。"], None),
    ],
)
def test_a_japanese_sentence_is_put_together_only_where_the_column_was_full(lines, joined):
    assert [line.text for line in page_lines("\r\n".join(lines))] == (joined or lines)


def test_pages_without_text_are_counted(tmp_path, capsys):
    (tmp_path / "a.pdf").write_bytes(pdf_of([["one"], [], ["three"]]))
    (tmp_path / "b.pdf").write_bytes(pdf_of([[], []]))
    (tmp_path / "c.pdf").write_bytes(pdf_of([["all"]]))
    assert texts(tmp_path)["a"] == [["one"], [], ["three"]]
    empty = "files with empty pages: a.pdf (2 of 3), b.pdf (0 of 2)"
    assert capsys.readouterr().out == f"{tmp_path}: 3 of 6 pages have text; {empty}\n"


@pytest.mark.parametrize(
    "content, words",
    [
        (pdf_of([[]] * 12), "0 of 12 pages have text"),
        (pdf_of([]), "or it has no pages"),
        (b"", "the file is empty"),
        (b"hello", "not a readable PDF"),
        (locked(), "protected by a password"),
    ],
    ids=["scanned", "no pages", "empty", "no PDF", "locked"],
)
def test_a_pdf_that_gives_nothing_is_refused(content, words, tmp_path, capsys):
    (tmp_path / "a.pdf").write_bytes(content)
    assert main([str(tmp_path / "a.pdf"), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error and str(tmp_path / "a.pdf") in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.pdf"]


def test_joining_takes_time_in_proportion(tmp_path):
    def seconds(count):
        text = "\r\n".join(COLUMN * count)
        return cpu_seconds(lambda: page_lines(text), tries=3)

    assert seconds(8000) < 3 * seconds(4000)


GOOD = pdf_of([["Infor-", "mation"], [], ["002F"]])


@bounded
@given(mutations(GOOD, (b"endobj", b"/Count 999999999", b"/Kids [2 0 R]", b"/Encrypt 1 0 R", b"<<" * 500)))
def test_property_a_damaged_pdf_gives_pages_or_one_line(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.pdf"
    path.write_bytes(content)
    found = succeeds_or_explains(lambda: texts(path))
    assert isinstance(found, InputError) or not any("\x02" in line for page in found["damaged"] for line in page)
