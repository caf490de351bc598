"""``suggest --title NOTE``: a note's title means all of its pages; an unknown title is answered with similar ones."""

import json
import unicodedata

import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig, SuggestConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.retrieval import Index, build_index
from keras_negaposi.retrieval.queries import make_queries
from keras_negaposi.retrieval.titles import find_pages
from keras_negaposi.suggest import main as suggest_main

note_of = Documents(r"^(.*),")
PAGES = {"ガラス,000": "a", "ガラス,001": "b", "庭": "c"}


@pytest.fixture(scope="module")
def index(tiny, tmp_path_factory):
    """An index without a run."""
    folder = str(tmp_path_factory.mktemp("titles") / "index")
    build_index(None, IndexConfig(honbun=tiny.flags["honbun"], output=folder))
    return folder


@pytest.mark.parametrize("flags", [["--format", "json"], ["--format", "scrapbox", "--min_probability", "0"]])
def test_a_notes_title_means_all_its_pages(index, corpus, capsys, tmp_path, flags):
    opened, page = Index(index), tmp_path / "page.html"
    own = [title for title in corpus if note_of(title) == "doc03"]
    best = {}
    for title in own:
        for found in opened.suggest(corpus[title], 200, own):
            best[found.title] = max(best.get(found.title, 0), found.score)
    assert suggest_main([index, "--title", "doc03", "--top", "5", "--html", str(page), *flags]) == 0
    out = capsys.readouterr().out
    out = out.replace(f"suggestions for {len(own)} pages written to {page}\n", "")
    order = sorted(best, key=lambda title: -best[title])
    if "json" in flags:
        answer = json.loads(out)
        assert [row["score"] for row in answer] == pytest.approx([best[title] for title in order[:5]], abs=1e-5)
        assert not {row["title"] for row in answer} & {*own}
    else:
        assert len(out.split()) == 5 and out.split()[0] == f"[{note_of(order[0])}]"
    assert '"doc03"' in page.read_text(encoding="utf-8")


def test_an_unknown_title_gets_the_most_similar_ones(index, capsys):
    assert suggest_main([index, "--title", "doc3"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.count('"doc') == 1 + 3
    assert 'no such page among the 144 of the index; did you mean "doc' in error and '"doc03"' in error
    assert suggest_main([index, "--title", "doc03,00"]) == 2
    assert 'did you mean "doc03,00' in capsys.readouterr().err


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_titles_are_found_in_any_unicode_form(stored, asked):
    pages = [unicodedata.normalize(stored, title) for title in PAGES]
    for name, found in (("ガラス", pages[:2]), ("ガラス,001", pages[1:2]), ("庭", pages[2:])):
        assert find_pages(unicodedata.normalize(asked, name), pages, note_of) == tuple(found)
    with pytest.raises(InputError, match='did you mean "ガラス"?'):
        find_pages(unicodedata.normalize(asked, "ガラズ"), pages, note_of)


def test_next_to_other_titles_a_note_means_its_pages_in_order():
    (query,) = make_queries(PAGES, note_of, SuggestConfig(title=["庭", "ガラス"]))
    assert query.titles == ("庭", "ガラス,000", "ガラス,001") and query.page == "ガラス,001" and not query.of_note
    assert [query.page for query in make_queries(PAGES, note_of, SuggestConfig(title=["ガラス"]))] == list(PAGES)[:2]
