"""Suggestions as links to paste: each is read back as one link to its page, whatever its title contains."""

import json
import posixpath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import PairsConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.readers.note_files import NAME, read_exceptions
from keras_negaposi.readers.scrapbox import parse_lines
from keras_negaposi.retrieval.link_formats import as_markdown, as_scrapbox
from keras_negaposi.retrieval.suggestions import Suggestion
from keras_negaposi.retrieval.text_formats import as_json, as_table, as_tsv
from tests.helpers.properties import bounded, json_mutations, succeeds_or_explains

BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\t"]


def suggestions(*titles):
    return [Suggestion(title, f"{title}の本文", 0.9) for title in titles]


def scrapbox(*titles):
    return as_scrapbox(suggestions(*titles), str, None).split("\n")


@pytest.mark.parametrize(
    ("title", "written"),
    [
        ("庭の話", "[庭の話]"),
        ("全角　の 話", "[全角　の 話]"),
        ("TCP/IP", "[TCP/IP]"),
        ("a`b", "[a`b]"),
        ("#庭", "[#庭]"),
        ("!庭", "[!庭]"),
        # Scrapbox reads the brackets as other notation; a hashtag is a link.
        ("- 箇条の題", "#-_箇条の題"),
        ("$ 式", "#$_式"),
        ("* 庭", "#*_庭"),
        ("佐藤.icon", "#佐藤.icon"),
        ("佐藤.icon*2", "#佐藤.icon*2"),
        ("N35.6,E139.7 の地図", "#N35.6,E139.7_の地図"),
        ("駅 N35.6,E139.7", "#駅_N35.6,E139.7"),
        ("/etc/hosts の書き方", "#/etc/hosts_の書き方"),
        ("庭#0123456789abcdef01234567", "#庭#0123456789abcdef01234567"),
        # Neither form is a link.
        ("https://example.com/ の感想", "`https://example.com/ の感想`"),
        ("感想 https://example.com/", "`感想 https://example.com/`"),
        ("[題] の話", "`[題] の話`"),
        ("[[題]]", "`[[題]]`"),
        ("`庭` [題]", "`｀庭｀ [題]`"),
        (" 前", "`前`"),
        ("後 ", "`後`"),
        ("- 全角　の題", "`- 全角 の題`"),
    ],
)
def test_scrapbox_gets_what_links_or_else_code(title, written, caplog):
    assert scrapbox(title, "石") == [written, "[石]"]
    assert ("1 of 2 titles cannot be links" in caplog.text) == written.startswith("`")
    (line,) = parse_lines([written])
    assert [link.target.replace("_", " ") for link in line.links] == ([] if written.startswith("`") else [title])


@pytest.mark.parametrize("line_break", BREAKS)
def test_no_title_breaks_a_line(line_break):
    title = f"前{line_break}[後]"
    found = [*suggestions(title), *suggestions("石")]
    for write in (as_table, as_tsv):
        assert len(write(found).splitlines()) == 2
    assert scrapbox(title, "石") == ["`前 [後]`", "[石]"]
    assert as_markdown(found, str, None).splitlines()[0].startswith(r"- [前 \[後\]](")
    assert len(as_markdown(found, str, None).splitlines()) == 2
    assert json.loads(as_json(found))[0]["title"] == title
    assert len(as_json(found).splitlines()) == 2 + 2 * 5
    assert as_tsv(found).splitlines()[0].count("\t") == 2


def test_control_characters_do_not_reach_the_terminal():
    assert "\x1b" not in as_table(suggestions("\x1b[31m赤")) + as_tsv(suggestions("\x1b[31m赤"))
    assert json.loads(as_json(suggestions("\ud800")))[0]["title"] == "\ud800"


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def read_back(line):
    """Returns (text, path) of a list item that consists of one link, whose text contains no markup."""
    tokens = MARKDOWN.parse(line)
    assert [token.type for token in tokens if token.nesting >= 0] == [
        *("bullet_list_open", "list_item_open", "paragraph_open", "inline")
    ]
    begin, *texts, end = tokens[3].children
    assert (
        begin.type == "link_open" and end.type == "link_close" and {t.type for t in texts} <= {"text", "text_special"}
    )
    return "".join(text.content for text in texts), unquote(begin.attrs["href"])


@pytest.mark.parametrize(
    "name",
    [
        *("庭", "<b>太い", "<script>", "a & b &amp; c", "*a* _b_ `c`", "a|b", "(a) b)", "[c]", "a\\b", "a\\", "~~a~~"),
        *("![絵](x)", "<mailto:a@b.example>", "a](b", "#題", "==a==", "$x$", "%%a%%", "^a", '"a"', "100%", "a?b#c"),
    ],
)
def test_markdown_links_show_the_name_and_lead_to_the_file(name):
    line = as_markdown(suggestions(f"棚/{name}"), str, "棚/石")
    assert read_back(line) == (name, f"{name}.md")
    assert read_back(as_markdown(suggestions(f"棚/{name}"), str, None)) == (name, f"棚/{name}.md")
    assert read_back(as_markdown(suggestions(name), str, "a/b/石")) == (name, f"../../{name}.md")


def test_an_absolute_title_does_not_tell_where_the_program_runs():
    assert as_markdown(suggestions("/etc/hosts"), str, "石") == "- [hosts](etc/hosts.md)"


def test_markdown_links_name_the_notes_own_file(tmp_path):
    vault = tmp_path / "vault"
    (vault / "棚").mkdir(parents=True)
    files = ["庭.markdown", "池.MD", "棚/石.markdown", "棚/苔.md"]
    for number, file in enumerate(files):
        paragraphs = [f"{number}の{part}段目です。" * 3 for part in "一二三四"]
        (vault / file).write_text("\n\n".join(paragraphs), encoding="utf-8")
    out = tmp_path / "out"
    make_pairs(str(vault), PairsConfig(output=str(out), length=30))
    exceptions = read_exceptions(str(out / "honbun_data.json"))
    assert exceptions == {"庭": "庭.markdown", "池": "池.MD", "棚/石": "棚/石.markdown"}
    found = as_markdown(suggestions("庭", "池", "棚/石", "棚/苔"), str, "棚/苔", exceptions)
    assert [unquote(read_back(line)[1]) for line in found.splitlines()] == [posixpath.relpath(f, "棚") for f in files]
    assert read_exceptions(str(tmp_path / "honbun_data.json")) == {}  # An older version wrote the pages.


SIGNS = "[]`#$*-/!.()<>&|\\_^~=%: 　庭a1\0"
PARTS = [*BREAKS, *SIGNS, ".icon", "https://", "N1,E2", "code:", "[[", "]]", "か\u3099"]
TITLES = st.lists(st.sampled_from(PARTS), max_size=8).map("".join)


@bounded
@given(TITLES)
def test_property_any_title_is_one_line_and_one_link_or_none(title):
    (line,) = scrapbox(title)
    assert len(line.splitlines()) == 1
    links = [link.target for parsed in parse_lines([line]) for link in parsed.links]
    assert links in ([], [title], [title.replace(" ", "_")]) and bool(links) != line.startswith("`")
    (line,) = as_markdown(suggestions(title), str, None).splitlines()
    if title.strip("/"):
        assert line.startswith("- [") and MARKDOWN.parse(line)[3].children[0].type == "link_open"
        assert not any(token.type == "html_inline" for token in MARKDOWN.parse(line)[3].children)


@bounded
@given(json_mutations({"庭": "庭.markdown", "棚/石": "棚/石.MD"}))
def test_property_note_files_are_read_or_explained(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("files")
    (folder / NAME).write_text(json.dumps(value), encoding="utf-8")
    found = succeeds_or_explains(lambda: read_exceptions(str(folder / "honbun_data.json")))
    assert isinstance(found, InputError) or all(isinstance(file, str) for file in found.values())


@pytest.mark.parametrize(
    ("own", "names", "scrapbox", "markdown"),
    [
        ("a,000", ["b c,001"], ["[b c]"], ["- [b c](b%20c.md)"]),
        ("x/a,000", ["x/b,000", "y/[c],000"], ["[x/b]", "`y/[c]`"], ["- [b](b.md)", r"- [\[c\]](../y/%5Bc%5D.md)"]),
    ],
)
def test_links_follow_the_rules_of_each_notation(own, names, scrapbox, markdown):
    found, document = [Suggestion(name, "", 0.9) for name in names], Documents(r"^(.*),")
    assert as_scrapbox(found, document, own).splitlines() == scrapbox
    assert as_markdown(found, document, own).splitlines() == markdown
