"""Tests of every format by an example worked out by hand, and of what is rejected."""

import json

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers import READERS, detect
from keras_negaposi.readers.document import Line, Link
from keras_negaposi.readers.scrapbox import parse_lines

BY_COMMA = Documents(r"^(.*),")


def texts(document):
    return [[line.text for line in page] for page in document.pages]


def read(path):
    return list(READERS[detect(str(path))](str(path), BY_COMMA))


def link(line, shown, target=None):
    """Returns the expected link: the first occurrence of its text in the line."""
    start = line.index(shown)
    return Link(start, start + len(shown), target or shown)


@pytest.mark.parametrize(
    ("notation", "text", "links"),
    [
        ("前[庭の話]後", "前庭の話後", ["庭の話"]),
        ("[* 大事] と [/ 斜め] と [[太字]]", "大事 と 斜め と 太字", []),
        ("[** [庭] の話]", "庭 の話", ["庭"]),
        ("[https://example.com 外の 頁]を見る", "外の 頁を見る", []),
        ("[外の頁 https://example.com]", "外の頁", []),
        ("[https://example.com/a.png]の絵", "の絵", []),
        ("https://example.com/x を見た", "を見た", []),
        ("[nishio.icon]言った[nishio.icon*3]", "言った", []),
        ("[/help-jp/ブラケティング]参照", "ブラケティング参照", []),
        ("[$ x^2]は式", "は式", []),
        ("`[庭]`は記法", "[庭]は記法", []),
        ("話題 #庭仕事 と C#言語", "話題 庭仕事 と C#言語", ["庭仕事"]),
        ("[N35.68,E139.76,Z14 東京駅]で会う", "東京駅で会う", []),
        ("> 引用した[庭]", "引用した庭", ["庭"]),
        ("\t\t 深い[庭]", "深い庭", ["庭"]),
        ("[閉じない", "[閉じない", []),
        ("閉じるだけ]", "閉じるだけ]", []),
        ("[]は空", "[]は空", []),
        ("[外 [庭] 側]", "[外 庭 側]", ["庭"]),
        ("[庭][池]", "庭池", ["庭", "池"]),
        ("[ 庭 ]", "庭", ["庭"]),
    ],
)
def test_scrapbox_notation(notation, text, links):
    (line,) = parse_lines([notation])
    assert line.text == text
    assert [line.text[found.start : found.end] for found in line.links] == links


def test_scrapbox_blocks():
    lines = [
        "題",
        "code:a.py",
        " print(1)",
        "  [庭]",
        "後",
        " code:b",
        "  x",
        " 続き",
        "table:表",
        "\t名\t[庭]",
        "$ ls",
        "",
    ]
    assert [line.text for line in parse_lines(lines)] == ["題", "後", "続き", "表", "名 庭"]


def test_scrapbox_export(tmp_path):
    pages = [
        {"title": "[題] の話", "created": 1, "updated": 2, "lines": ["[題] の話", "本文[庭]"]},
        {"title": "庭", "lines": [{"text": "庭", "created": 1}, {"text": "石がある", "userId": "u"}]},
        {"title": "空", "lines": []},
    ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps({"name": "p", "displayName": "P", "exported": 3, "pages": pages}), encoding="utf-8")
    first, second, empty = read(path)
    assert (first.title, texts(first)) == ("[題] の話", [["[題] の話", "本文庭"]])
    assert first.pages[0][1].links == (link("本文庭", "庭"),)
    assert (second.title, texts(second)) == ("庭", [["庭", "石がある"]])
    assert (empty.title, texts(empty), empty.page_titles) == ("空", [[]], None)


def test_numbered_pages_keep_their_titles_and_a_gap_is_known(tmp_path):
    for number, text in {0: "一枚目\n\n続き", 1: "二枚目", 10: "十一枚目"}.items():
        (tmp_path / f"講演,2019,{number:03d}.txt").write_text(text, encoding="utf-8")
    (document,) = read(tmp_path)
    assert document.title == "講演,2019"
    assert texts(document) == [["一枚目", "続き"], ["二枚目"], [], ["十一枚目"]]
    assert document.page_titles == ["講演,2019,000", "講演,2019,001", "", "講演,2019,010"]


def test_honbun_and_table_of_pages(tmp_path):
    rows = {"a,000": "一", "a,001": "二", "b": "三\n四"}
    (tmp_path / "honbun.json").write_text(json.dumps(rows), encoding="utf-8")
    (tmp_path / "pages.tsv").write_text('title\ttext\na,000\t一\na,001\t二\nb\t"三\n四"\n', encoding="utf-8")
    (tmp_path / "pages.jsonl").write_text(
        "\n".join(json.dumps({"title": title, "text": text}) for title, text in rows.items()), encoding="utf-8"
    )
    for name in ("honbun.json", "pages.tsv", "pages.jsonl"):
        first, second = read(tmp_path / name)
        assert (first.title, texts(first), first.page_titles) == ("a", [["一"], ["二"]], ["a,000", "a,001"])
        assert (second.title, texts(second), second.page_titles) == ("b", [["三", "四"]], None)


def test_pdf_slides(tmp_path):
    pdf = pytest.importorskip("pypdfium2")
    made = pdf.PdfDocument.new()
    for _ in range(2):
        made.new_page(200, 100)
    made.save(str(tmp_path / "talk.pdf"))
    (tmp_path / "real.pdf").write_bytes(one_page_pdf("Hello slide"))
    by_title = {document.title: document for document in read(tmp_path)}
    assert by_title["talk"].page_titles == ["talk,000", "talk,001"]
    assert texts(by_title["talk"]) == [[], []]
    assert by_title["real"].pages == [[Line("Hello slide")]]


def one_page_pdf(text):
    """Returns a minimal PDF with one line of text."""
    stream = f"BT /F1 12 Tf 10 50 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return b"%sxref\n0 6\n0000000000 65535 f \n%strailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        body,
        table,
        len(body),
    )


BAD = {
    "nothing there": ("gone.json", None, "no such file"),
    "cut off": (
        "a.json",
        b'{"pages": [{"title": "a", "lines": ["x"',
        "not JSON at line 1, column 40",
    ),
    "not UTF-8": ("a.json", '{"a": "日本"}'.encode("shift_jis"), "not UTF-8 at byte 7"),
    "page without title": ("a.json", b'{"pages": [{"lines": []}]}', 'page 1: has no "title"'),
    "page without lines": ("a.json", b'{"pages": [{"title": "a"}]}', 'page 1 "a": has no list of "lines"'),
    "a line that is a number": ("a.json", b'{"pages": [{"title": "a", "lines": [3]}]}', "a line must be a string"),
    "no pages": ("a.json", b'{"pages": []}', "contains no pages"),
    "a text that is a number": ("a.json", b'{"a": 3}', 'the text of "a" must be a string'),
    "half a surrogate": ("a.jsonl", rb'{"title": "a", "text": "\ud800"}', "half a surrogate"),
    "zip": ("a.zip", b"PK\x03\x04", "unpack or convert it first"),
    "empty folder": ("folder", "folder", "contains no .md, .pdf or .txt file"),
    "page without number": ("folder/a.txt", b"x", "the file name has no page number"),
    "note not UTF-8": ("folder/a.md", "日本".encode("shift_jis"), "not UTF-8 at byte"),
    "not a PDF": ("a.pdf", b"hello", "not a readable PDF"),
    "other columns": ("a.csv", b"x,y\n1,2\n", "has no text_a and no text_b and no label"),
    "a row cut short": ("a.csv", b"text_a,text_b,label\na,b\n", "line 2: has no label"),
    "open quotation": ("a.csv", b'text_a,text_b,label\n"a,b,1\n', "line 2: the cell "),
    "no rows": ("a.csv", b"text_a,text_b,label\n", "contains no rows"),
    "JSON lines that are not": ("a.jsonl", b'{"title": "a", "text": "b"}\n{', "line 2: not JSON"),
    "a line that is a list": ("a.jsonl", b"[1]", "line 1: must be an object"),
    "a text that is a list": ("a.jsonl", b'{"title": "a", "text": []}', "text must be a string"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sources_are_refused_in_a_line(case, tmp_path, capsys):
    from keras_negaposi.pairs import main

    name, content, message = BAD[case]
    if "pdf" in name:
        pytest.importorskip("pypdfium2")
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    source = tmp_path / name.split("/")[0]
    before = sorted(tmp_path.rglob("*"))
    assert main([str(source), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error and str(tmp_path) in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_an_endless_string_is_refused_before_it_fills_the_memory(name, tmp_path):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.write(b'{"title": "x", "text": "' if name == "a.jsonl" else b'{"pages": [{"title": "a", "lines": ["')
        for _ in range(96):
            file.write(b"a" * (1 << 20))
        file.write(b'"}' if name == "a.jsonl" else b'"]}]}')
    with pytest.raises(InputError, match="is this the file that you meant"):
        read(path)
