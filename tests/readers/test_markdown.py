"""Tests of Markdown notes: what is text, what is a link, and where a deck is cut; each by an example worked out."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_negaposi.pair_generation.chunking import cut_document
from keras_negaposi.readers.document import Link
from keras_negaposi.readers.markdown import note_parser, parse_note, read_markdown
from tests.helpers.properties import bounded, cpu_seconds, mutations, succeeds_or_explains

PARSER = note_parser()


def lines(text, dividers=()):
    """Returns the lines of a note's pages, or of its only page."""
    pages = [[line.text for line in page] for page in parse_note(PARSER, text, dividers)]
    return pages if dividers else pages[0]


def links(text):
    """Returns (text, target) of the links in a note."""
    (page,) = parse_note(PARSER, text)
    return [(line.text[link.start : link.end], link.target) for line in page for link in line.links]


def vault(folder, notes):
    """Writes notes, name -> text, and reads the folder."""
    for name, text in notes.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return list(read_markdown(str(folder)))


NOTE = """---
title: 違う題
tags: [a]
---
# 庭のこと

石と[[池]]と[[水辺/苔|こけ]]、[[木#枝]]。
![[絵.png]] ![別の絵](絵.png)
- [隣の話](隣.md) と [外](https://example.com/外)
- `x = 1` **太字** [上の話](../上/話.md#節)

```python
[[池]]
```

| 名 | 値 |
|---|---|
| 石 | [[岩]] |
"""


def test_a_folder_of_notes(tmp_path):
    notes = {"庭/庭.md": NOTE, "庭/隣.markdown": "庭/隣\n\n短い", "池.md": "", ".obsidian/x.md": "隠れた"}
    garden, neighbour, pond = vault(tmp_path, notes)
    assert [document.title for document in (garden, neighbour, pond)] == ["庭/庭", "庭/隣", "池"]
    sentence, item = "石と池とこけ、木。", "x = 1 太字 上の話"
    (page,) = garden.pages
    assert [line.text for line in page] == [
        *("庭", "庭のこと", sentence, "隣の話 と 外", item),
        *("名", "値", "石", "岩"),
    ]
    assert page[2].links == (Link(2, 3, "池"), Link(4, 6, "水辺/苔"), Link(7, 8, "木"))
    assert page[3].links == (Link(0, 3, "./隣.md"),)
    assert page[4].links == (Link(item.index("上"), len(item), "../上/話.md"),)
    assert [line.text for line in neighbour.pages[0]] == ["隣", "庭/隣", "短い"]
    assert [line.text for line in pond.pages[0]] == ["池"]


FRONT_MATTER = {
    "line feeds": ("---\ntags: [秘密]\n---\n本文", ["本文"], ()),
    "CRLF": ("---\r\ntags: [秘密]\r\n---\r\n本文\r\n続き", ["本文", "続き"], ()),
    "CR": ("---\rtags: [秘密]\r---\r本文", ["本文"], ()),
    "byte order mark": ("\ufeff---\ntags: 秘密\n---\n本文", ["本文"], ()),
    "dots at the end": ("---\ntags: 秘密\n...\n本文", ["本文"], ()),
    "white space after dashes": ("--- \t\ntags: 秘密\n---  \n本文", ["本文"], ()),
    "nothing after it": ("---\ntags: 秘密\n---", [], ()),
    "empty": ("---\n---\n本文", ["本文"], ()),
    "tabs, which YAML forbids": ("---\ntags:\n\t- 秘密\n---\n本文", ["本文"], ()),
    "a template": ("---\ntitle: {{title}}: {{date}}\n---\n本文", ["本文"], ()),
    "an invalid date": ("---\ncreated: 2024-99-99\n---\n本文", ["本文"], ()),
    "a block scalar with dashes": ("---\nabout: |\n  ---\n  秘密\n---\n本文", ["本文"], ()),
    "a list of aliases": ("---\naliases:\n  - 池\n  - 'ため, 池'\n---\n本文", ["本文"], ("池", "ため, 池")),
    "a flow list of aliases": ("---\r\naliases: [池, 2024]\r\n---\r\n本文", ["本文"], ("池", "2024")),
    "aliases in one string": ("---\nalias: 池, 沼\n---\n本文", ["本文"], ("池", "沼")),
    "aliases of wrong types": ("---\naliases: {a: b}\nalias: [[c], {d: e}, f]\n---\n本文", ["本文"], ("f",)),
    "no end": ("---\ntags: 公開\n\n本文", ["tags: 公開", "本文"], ()),
    "text between rulers": ("---\n# 題\n本文\n---\n続き", ["題", "本文", "続き"], ()),
    "a list between rulers": ("---\n- 石\n\n---\n続き", ["石", "続き"], ()),
}


@pytest.mark.parametrize("case", FRONT_MATTER)
def test_front_matter_is_no_text_and_has_aliases(case, tmp_path):
    text, expected, aliases = FRONT_MATTER[case]
    (document,) = vault(tmp_path, {"名.md": text})
    assert [line.text for line in document.pages[0]] == ["名", *expected]
    assert document.aliases == aliases


TEXTS = {
    "footnotes": (
        "石[^1]と水[^い]。\n\n[^1]: 石は川から拾った。\n[^い]: 池\n    続き\n\n    別の段落\n\n終わり",
        ["石と水。", "石は川から拾った。", "池", "続き", "別の段落", "終わり"],
    ),
    "a footnote after its paragraph": ("石[^1]\n[^1]: 注", ["石", "注"]),
    "a footnote that nothing refers to": ("石\n\n[^1]: 注", ["石", "注"]),
    "a footnote whose label has a space": ("石\n\n[^い ろ]: 注", ["石", "[^い ろ]: 注"]),
    "footnotes within a line": ("石^[川の石^[大川]]と水", ["石と水", "川の石", "大川"]),
    "HTML blocks": (
        '<div class="cols">\n<div><p>左の欄</p></div>\n<p>右<br/>下 &amp; 上</p></div>',
        ["左の欄", "右", "下 & 上"],
    ),
    "Markdown between HTML": ("<details><summary>題</summary>\n\n**中身**\n\n</details>", ["題", "中身"]),
    "HTML in a line": ('<b title="a>b">太</b>い<span>字</span><img alt="絵">と<!-- 秘密 -->文', ["太い字と文"]),
    "line breaks": ("東京<br>大阪<BR/>\n\n|名|\n|-|\n|石<br />水|", ["東京", "大阪", "名", "石", "水"]),
    "scripts and styles": (
        '前<style>p{}</style>後\n\n<script>\nif (a<b) x("<!--")\n\n</script>\n<style scoped>\nb{}\n\n</style>\n終',
        ["前後", "終"],
    ),
    "comments of HTML": ("<!-- 秘密\n\n秘密 --> 見える\n\nx <!-- 秘密 --> y", ["見える", "x y"]),
    "preformatted HTML": ("<pre><code>x = 1</code></pre>\n\n<pre>詩の\n一行</pre>", ["詩の 一行"]),
    "declarations and unclosed tags": ("<?php 秘密 ?>\n\n<!DOCTYPE html>\n\n<p 閉じない", ["<p 閉じない"]),
    "entities": ("&lt;b&gt; &copy; A&amp;B &unknown;", ["<b> © A&B &unknown;"]),
    "comments within a line": ("本文 %%秘密%% 続き %%秘\n密%%終わり", ["本文 続き 終わり"]),
    "comments over lines": ("前\n%%\n秘密\n\n- 秘密\n%%\n後", ["前", "後"]),
    "text after a comment": ("%%秘密\n\n秘密%% 後 **太字**", ["後 太字"]),
    "comments in lists and quotations": (
        "- 石\n  %%\n  秘密\n\n  %%\n- 水\n\n> %%\n> 秘\n>\n> 密\n> %%\n> 外",
        ["石", "水", "外"],
    ),
    "no comments": ("`%%見える%%` 100%%\n\n%% 閉じない\n\n本文", ["%%見える%% 100%%", "%% 閉じない", "本文"]),
    "names of blocks": (
        "本文 ^abc-123\n\n- 石 ^a\n  - 水 ^b\n\n> 引用\n\n^c\n\n## 題 ^d\n\n|名|\n|-|\n|x|\n^t\n\n2^10 と x ^2 乗",
        ["本文", "石", "水", "引用", "題", "名", "x", "2^10 と x ^2 乗"],
    ),
    "callouts": (
        "> [!note] 注意\n> 中身\n\n> [!tip]-\n> たたむ\n> > [!FAQ|x]+ **内側**\n> > 深い\n\n[!note] 外",
        ["注意", "中身", "たたむ", "内側", "深い", "[!note] 外"],
    ),
    "tasks": (
        "- [ ] する\n- [x] した\n1. [-] やめた\n- [注] これ\n- [1] 一",
        ["する", "した", "やめた", "[注] これ", "[1] 一"],
    ),
    "highlights": ("==強調==と==**太** 字==、x == 1、===、`a==b==c`", ["強調と太 字、x == 1、===、a==b==c"]),
    "strikethrough": ("~~消した~~字", ["消した字"]),
    "formulas": ("値$x_1^2$と $$y_2$$ は $100 と $200\n\n$$\n\\int_0\n$$", ["値x_1^2と y_2 は $100 と $200"]),
    "tags": ("話 #庭仕事", ["話 #庭仕事"]),
    "headings and rulers": ("題\n===\n\n副題\n---\n\n---\n本文", ["題", "副題", "本文"]),
    "URLs": ("https://example.com/a?b=cを見た。「https://a.jp」と<https://b.jp>", ["を見た。「」と"]),
    "URLs in code": ("`https://a.jp/x`に行く", ["https://a.jp/xに行く"]),
    "links that lead elsewhere": ("[書庫](file:///a) [電話](tel:1) [外](obsidian://open?file=a)", ["書庫 電話 外"]),
    "deep lists": ("\n".join(f"{'  ' * depth}- 深さ{depth}" for depth in range(40)), [f"深さ{n}" for n in range(40)]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_of_notes(case):
    text, expected = TEXTS[case]
    assert lines(text) == expected
    assert links(text) == []


LINKS = {
    "a page": ("[[池]]", [("池", "池")]),
    "a path": ("[[庭/池]]", [("庭/池", "庭/池")]),
    "a heading": ("[[池#深さ]]", [("池", "池")]),
    "a block": ("[[池#^abc]]", [("池", "池")]),
    "another name": ("[[池#深さ|*深い* [小さな] 池]]", [("深い", "池"), ("[小さな] 池", "池")]),
    "in a table": ("|a|\n|-|\n|[[池\\|水]]|", [("水", "池")]),
    "an escaped bar": ("[[池\\|水]]", [("水", "池")]),
    "a suffix": ("[[池.md]]", [("池.md", "池.md")]),
    "a heading of the same note": ("[[#節]]と[[#節#項|項]]、[[#^abc]]", []),
    "embeds": ("![[池]]![[池#深さ|300]]", []),
    "in code": ("`[[池]]`\n\n    [[池]]\n\n```\n[[池]]\n```", []),
    "Markdown": ("[水](池.md)", [("水", "./池.md")]),
    "percent": ("[水](庭の%20話.md#深さ)", [("水", "./庭の 話.md")]),
    "angle brackets": ("[水](<庭の 話.md>)", [("水", "./庭の 話.md")]),
    "a number sign and a colon": ("[水](C%23.md) [火](Re%3A%20a.md)", [("水", "./C#.md"), ("火", "./Re: a.md")]),
    "relative": ("[水](./池.md) [火](../火) [木](/木.md)", [("水", "./池.md"), ("火", "../火"), ("木", "/木.md")]),
    "a folder": ("[水](庭/)", [("水", "./庭")]),
    "by reference": ("[水][w] [池]\n\n[w]: 庭/水.md '題'\n[池]: 池.md", [("水", "./庭/水.md"), ("池", "./池.md")]),
    "Foam's definitions": ("[[池]]\n\n[池]: ../水/池.md '題'", [("池", "../水/池.md")]),
    "brackets around it": ("[[[池]]]", [("池", "池")]),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_of_notes(case):
    text, expected = LINKS[case]
    assert links(text) == expected


def test_a_heading_of_the_same_note_is_shown_without_brackets():
    assert lines("[[#節]]と[[#節#項]]と[[#節|項]]、[[#^abc]]を見る") == ["節と節 > 項と項、を見る"]


DECK = """---
marp: true
paginate: true
---
# 題

- 一枚目

<!-- 話すこと -->

---

![絵](a.png)

***

<div><p>三枚目</p></div>

```
---
```

> 引用
> ***

副題
---
"""


def test_a_deck_is_cut_at_rulers(tmp_path):
    (deck,) = vault(tmp_path, {"講演.md": DECK.replace("\n", "\r\n")})
    assert [[line.text for line in page] for page in deck.pages] == [["題", "一枚目"], [], ["三枚目", "引用", "副題"]]
    assert deck.page_titles == ["講演,000", "講演,001", "講演,002"]
    assert [page.text for page in cut_document(deck, 10)] == ["題 一枚目", "", "三枚目 引用 副題"]


@pytest.mark.parametrize(
    ("head", "pages"),
    [
        ("---\nmarp: true\nheadingDivider: 2\n---\n", [["一", "あ"], ["二", "三", "い"], ["四"]]),
        ("---\nmarp: true\nheadingDivider: [3]\n---\n", [["一", "あ", "二"], ["三", "い"], ["四"]]),
        ("---\nmarp: true\n---\n<!--\nheadingDivider: 1\n-->\n", [["一", "あ", "二", "三", "い"], ["四"]]),
        ("---\nmarp: false\n---\n", [["講演", "一", "あ", "二", "三", "い", "四"]]),
    ],
)
def test_a_deck_is_cut_at_headings_if_it_says_so(head, pages, tmp_path):
    (deck,) = vault(tmp_path, {"講演.md": head + "# 一\nあ\n## 二\n### 三\nい\n\n---\n# 四\n"})
    assert [[line.text for line in page] for page in deck.pages] == pages
    assert (deck.page_titles is None) == (len(pages) == 1)


def test_a_name_that_macos_decomposed_is_the_heading(tmp_path):
    name = unicodedata.normalize("NFD", "ガーデン")
    garden, pond = vault(tmp_path, {f"{name}.md": "# ガーデン\n\n[[プール]]", f"{name}/プール.md": f"# {name[:1]}"})
    assert (garden.title, pond.title) == ("ガーデン", "ガーデン/プール")
    assert [line.text for line in garden.pages[0]] == ["ガーデン", "プール"]


REPEATED = {
    "brackets": "[",
    "wiki links": "[[a|[",
    "images": "![a](",
    "unclosed comments": "a<!--",
    "comments": "\n%%a\n",
    "highlights": "==a",
    "footnotes": "^[a",
    "definitions": "\n[^a]: b ",
    "HTML": "<a '<b \"",
    "HTML blocks": "\n<div <p><script ",
    "decks": "<!--headingDivider",
}


@pytest.mark.parametrize("case", REPEATED)
def test_twice_the_note_takes_twice_the_time(case):
    seconds = []
    for size in (3_000, 12_000):
        text = REPEATED[case] * (size // len(REPEATED[case]))
        seconds.append(cpu_seconds(lambda: parse_note(PARSER, text)))  # noqa: B023 - called at once
    assert seconds[1] < 8 * seconds[0] + 0.05, f"{seconds[1] / seconds[0]:.1f} times as long for four times the text"


FRAGMENTS = [fragment.encode() for text, _ in TEXTS.values() for fragment in text.splitlines() if fragment]
FRAGMENTS += [b"---\r\n", b"[[", b"]]", b"%%", b"<!--", b"-->", b"marp: true\n", b"aliases: *a\n", b"[^", b"^[", b"$$"]


@bounded
@given(text=mutations(NOTE.encode(), FRAGMENTS), deck=st.booleans())
def test_any_note_is_read_or_explained_property(text, deck, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vault")
    (folder / "名.md").write_bytes(text.replace(b"---\n", b"---\nmarp: true\n", 1) if deck else text)

    def read():
        return [page for document in read_markdown(str(folder)) for page in cut_document(document, 20)]

    found = succeeds_or_explains(read)
    for page in found if isinstance(found, list) else ():
        assert all(0 <= link.start < link.end <= len(page.text) for link in page.links)
