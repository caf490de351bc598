"""Tests of Scrapbox notation: it is read as https://github.com/progfay/scrapbox-parser and the app read it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.pair_generation.pages import PageFilter, Pages
from keras_negaposi.pairs import main
from keras_negaposi.readers.document import Document
from keras_negaposi.readers.scrapbox import parse_lines, parse_page, read_scrapbox
from tests.helpers.properties import bounded, cpu_seconds, mutations, succeeds_or_explains


@pytest.mark.parametrize(
    ("notation", "text", "links"),
    [
        # links
        ("[庭#1]と[庭#0123456789abcdef01234567]", "庭#1と庭", ["庭#1", "庭"]),
        ("[/他/題/続き]と[/他]と[/他/]", "題/続きと他と他", []),
        ("[TCP/IP]と[入出力/出力]", "TCP/IPと入出力/出力", ["TCP/IP", "入出力/出力"]),
        ("[庭] [ ] [　] []", "庭 []", ["庭"]),
        ("[[庭] の 石]", "[庭 の 石]", ["庭"]),
        ("[* 庭", "[* 庭", []),
        # icons, including large ones
        ("[[佐藤.icon]]が[佐藤.icon*3]と[佐藤.iconx2]と[/icons/済.icon]", "がとと", []),
        ("[佐藤.iconの話]", "佐藤.iconの話", ["佐藤.iconの話"]),
        # locations on either side
        ("[東の駅 N35.1,E135.2,Z10]で", "東の駅で", []),
        ("[N35.1,E135.2,Z10 東の 駅]で", "東の 駅で", []),
        ("[S35,W135]と[ N35,E135]", "と N35,E135", ["N35,E135"]),
        ("[N35.1の庭]", "N35.1の庭", ["N35.1の庭"]),
        # URLs on either side, images, videos
        ("[外の 頁 https://example.com/a?b=c]を", "外の 頁を", []),
        ("[https://example.com/a 外の 頁]を", "外の 頁を", []),
        ("[https://example.com/a.png https://example.com]の[[https://example.com/b.jpg]]絵", "の絵", []),
        ("[https://youtu.be/abc][https://vimeo.com/1][HTTPS://vimeo.com/1][https://example.com/a.mp3 歌]", "歌", []),
        ("[庭 https://a.example の 話]", "[庭 の 話]", []),
        ("[https://example.com ]と[庭]", "[ ]と庭", ["庭"]),
        ("https://example.com/[庭] 続き", "] 続き", []),
        # decorations
        ('[* 太い[庭]]と[- 消した][_ 下線][! 印][" 引用][*-/_ 全部]', "太い庭と消した下線印引用全部", ["庭"]),
        ("[[太い[庭]話]]と[[ [- 消した]話]]", "太い庭話と[[ 消した話]]", ["庭"]),
        ("[* [- 消した]]", "- 消した", ["- 消した"]),
        ("[* 庭の[ ]話]", "[* 庭の 話]", []),
        ("[*庭]と[＊ 庭]", "*庭と＊ 庭", ["*庭", "＊ 庭"]),
        ("[* [佐藤.icon]][/ #庭 [https://example.com 頁]]", "庭 頁", ["庭"]),
        # formulas and code
        ("[$ x]と[$ [x] ]と[- [$ y]と庭]", "ととと庭", []),
        ("`[庭]` と `[[庭]] #庭` と `\\`続き`", "[庭] と [[庭]] #庭 と \\`続き", []),
        ("`` と `[庭]", "と `庭", ["庭"]),
        # hashtags
        ("#庭 #石[池] a#苔 ＃杉 # 松", "庭 石池 a#苔 ＃杉 # 松", ["庭", "石", "池"]),
        ("#[庭]と　#庭。#石", "#庭と 庭。#石", ["庭", "庭。#石"]),
        # kinds of lines
        (">[庭]", "庭", ["庭"]),
        ("　> 全角の[庭]", "全角の庭", ["庭"]),
        ("　\t 深い[庭]", "深い庭", ["庭"]),
        ("? [庭]の(作り方|手入れ)", "[庭]の(作り方|手入れ)", []),
        ("1. [庭]を見る", "1. 庭を見る", ["庭"]),
        ("$庭と% ", "$庭と%", []),
    ],
)
def test_a_line_reads_as_the_real_parser_reads_it(notation, text, links):
    (line,) = parse_lines([notation])
    assert line.text == text
    assert [link.target for link in line.links] == links


def test_blocks_end_with_their_indentation():
    lines = [
        *(" code:a.py", "  [庭]", "   深い", "", " 一"),
        *("code:b", " [庭]", "table:表 [庭]", " 名\t[庭]\t#池", "  [* [石]]\t`[苔]`", "code:c", "二"),
        *("　? 問い [庭]", " % ls [庭]", "$ ls `x`", "code", "三"),
    ]
    parsed = parse_lines(lines)
    assert [line.text for line in parsed] == ["一", "表 [庭]", "名 庭 #池", "石 [苔]", "二", "問い [庭]", "code", "三"]
    assert [link.target for line in parsed for link in line.links] == ["庭"]  # only links work in a cell


@pytest.mark.parametrize("title", ["[題] の話", "code:題", "table:題", "$ 題", "> 題", "#題", "https://example.com 題"])
def test_the_title_line_is_no_notation(title):
    lines = parse_page(title, [title, title.replace("題", "別"), " 続き [庭]"])
    assert lines[0].text == title and not lines[0].links
    assert parse_page("別の題", ["[題] の話"])[0].text == "題 の話"


def export(tmp_path, pages):
    path = tmp_path / "export.json"
    content = {"name": "p", "displayName": "P", "exported": 1, "pages": pages}
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ({"title": "庭"}, 'no list of "lines"'),
        ({"title": "庭", "lines": None}, 'no list of "lines"'),
        ({"lines": ["庭"]}, 'no "title"'),
        ({"title": "庭", "lines": ["庭", 3]}, "not 3"),
        ({"title": "庭" * 5000, "lines": [{"text": None, "userId": "x" * 5000}]}, "a line must be"),
    ],
)
def test_what_is_no_export_is_refused_in_one_short_line(page, fault, tmp_path, capsys):
    path = export(tmp_path, [{"title": "石", "lines": ["石"]}, page])
    assert main([path, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert fault in error and "export.json: page 2" in error and len(error) < 500 and "\n" not in error
    assert not (tmp_path / "out").exists()


def test_a_slash_is_no_folder_in_a_title(tmp_path):
    titles = ["TCP/IP", "郵便", "入出力/出力", "庭仕事"]
    texts = ["通信の決まりごと", "住所は [IP] や SHIPPING や [tcp/ip] の本にある", "文字を送る", "今年の [出力] は多い"]
    pages = [{"title": title, "lines": [title, text]} for title, text in zip(titles, texts, strict=True)]
    found = Pages(PageStore(str(tmp_path / "pages.sqlite")), PageFilter())
    found.read(read_scrapbox(export(tmp_path, pages)), 200)
    (candidate,) = found.linked()
    assert (candidate.a, candidate.b, found.targets.dangling) == ("郵便,000", "TCP/IP,000", 2)
    assert candidate.a_text(found.texts["郵便,000"]) == "郵便 住所は IP や SHIPPING や 〓 の本にある"


def test_pairs_read_an_export_without_folders(tmp_path):
    names = [f"層{number}/名" for number in range(12)]
    pages = [
        {"title": name, "lines": [name, f"{number}番の話", f"続きは [{names[number - 1]}] と [名]"]}
        for number, name in enumerate(names)
    ]
    out = tmp_path / "out"
    make_pairs(export(tmp_path, pages), PairsConfig(output=str(out), positive="link", min_length=1))
    links = json.loads((out / "links.json").read_text(encoding="utf-8"))["posi"]
    assert sorted(links) == sorted([f"{name},000", f"{names[number - 1]},000"] for number, name in enumerate(names))


UNITS = ("[", "[[ ", "[]", "` ", "`a`", "# ", "[* ", "[* a [b] c ", "[$ x ] ", "[[a] ", "]", "[https://a", "#a ")


@pytest.mark.parametrize("unit", UNITS)
def test_a_long_line_takes_time_in_proportion(unit):
    def seconds(size):
        line = "a" + unit * (size // len(unit))
        return cpu_seconds(lambda: parse_lines([line]), tries=3)

    small = seconds(4_000)
    assert seconds(32_000) < 24 * max(small, 0.001)  # 8 times as much text; in quadratic time 64 times


FRAGMENTS = [
    *("[", "]", "[[", "]]", "`", " ", "　", "\t", "#", "庭", "a", "[* ", "[$ ", ".icon]", "https://a.example", "\\"),
    *("N35.1,E135.2", "code:", "table:", ">", "? ", "$ ", "[/", "\n", "\r", "\u2028", "か\u3099", "1. ", "-"),
]


@bounded
@given(st.lists(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join), max_size=6))
def test_property_links_are_where_their_names_are(lines):
    for line in parse_lines(lines):
        assert line.text == line.text.strip() != "" and "\n" not in line.text and "\t" not in line.text
        end = 0
        for link in line.links:
            assert end <= link.start < link.end <= len(line.text)
            end = link.end
            shown = " ".join(link.target.split())
            assert line.text[link.start : link.end].startswith(shown)


EXPORT = json.dumps(
    {
        "name": "p",
        "exported": 1,
        "users": [{"id": "u"}],
        "pages": [
            {"title": "庭", "id": "1", "lines": ["庭", "[石]の[* 話]", "code:a", " x", "table:b", " [石]\tc"]},
            {"title": "石", "lines": [{"text": "石", "created": 1}, {"text": "[https://a.example 頁] #庭"}]},
        ],
    },
    ensure_ascii=False,
).encode()


@bounded
@given(mutations(EXPORT, [b'"lines"', b'"title"', b'"pages"', b"null,", b'{"text":', b'"[', b']",']))
def test_property_an_export_is_read_or_explained(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("export") / "export.json"
    path.write_bytes(content)
    found = succeeds_or_explains(lambda: list(read_scrapbox(str(path))))
    assert isinstance(found, InputError) or all(isinstance(document, Document) for document in found)
