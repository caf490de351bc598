"""Adjacent pages, in any order of the listed pages, and the pairs that are sampled from them."""

import dataclasses
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig, PairsConfig
from keras_negaposi.data.adjacency import adjacency
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.next_page_pairs import sample_next_pages
from keras_negaposi.data.pairs import Pair, read_pairs
from keras_negaposi.data.splits import Split
from keras_negaposi.input_pipeline.packing import PREPROCESSORS
from keras_negaposi.input_pipeline.prepared_data import NEXT_PAGES, fingerprint, read_inputs
from keras_negaposi.pair_generation.generate import make_pairs
from keras_negaposi.pair_generation.positives import MASK
from tests.helpers.properties import bounded

COMMA = r"^(.*),"


@pytest.mark.parametrize(
    ("pattern", "titles", "pairs"),
    [
        (COMMA, ["a,10", "a,2", "a,1", "a,9", "b,3"], [("a,1", "a,2"), ("a,9", "a,10")]),
        (COMMA, ["a,001", "a,003", "b,002"], []),
        (COMMA, ["a,1", "a,01", "a,2", "a,3"], [("a,2", "a,3")]),
        (COMMA, ["a,000", f"a,000 {MASK}", "a,001", f"a,002 {MASK}"], [("a,000", "a,001")]),
        (COMMA, ["a,-2", "a,-1", "a,0", "a,1"], [("a,0", "a,1")]),
        (COMMA, ["a,x", "a,y", "一頁だけ"], []),
        (COMMA, ["a,1.5", "a,1.6", "a,2024-05", "a,2024-06"], []),
        (COMMA, ["a,3枚目", "a,4枚目", "a,5頁目"], [("a,3枚目", "a,4枚目")]),
        (COMMA, ["a,3a", "a,3b", "a,4a"], []),
        (COMMA, [",000", ",001"], []),
        (COMMA, ["a,２", "a,3"], [("a,２", "a,3")]),
        (COMMA, ["a," + "1" * 5000, "a," + "1" * 4999 + "2"], []),
        (r"^(.*)-", ["話-001", "話-002", "話-004"], [("話-001", "話-002")]),
        (r"_(.*)$", ["1_1", "2_1", "10_1", "11_1"], [("1_1", "2_1"), ("10_1", "11_1")]),
        (r"^p\d+ (.*)$", ["p1 a", "p2 a", "p2 b"], [("p1 a", "p2 a")]),
    ],
)
def test_the_next_page_has_the_next_number(pattern, titles, pairs):
    for seed in range(5):
        shuffled = random.Random(seed).sample(titles, len(titles))
        assert sorted(adjacency(shuffled, Documents(pattern)).pairs) == sorted(pairs)


def test_pages_without_a_clear_number_are_counted():
    found = adjacency(["a,1", "a,x", "a,2", "a,02", "b", "c,d"], Documents(COMMA))
    assert (found.pairs, found.unnumbered, found.ambiguous) == ([], 1, 2)
    assert "1 pages have no page number in their titles and 2 pages have the page number of" in found.describe()
    assert not adjacency(["a,1", "a,2"], Documents(COMMA)).describe()


NAMES = st.sampled_from(["a", "b", "1", "a,b", "a-1", "話"])
NUMBERS = st.one_of(
    st.integers(0, 12).map(str), st.integers(0, 3).map("{:03d}".format), st.sampled_from(["x", "", "-1"])
)


@bounded
@given(st.lists(st.tuples(NAMES, NUMBERS, st.sampled_from(["", "", "", f" {MASK}"])), unique=True), st.randoms())
def test_adjacency_property(parts, rng):
    """Compares with the definition, using the numbers that the titles were made from."""
    titles = {f"{name},{number}{mark}": (name, number, mark) for name, number, mark in parts}
    listed = list(titles)
    rng.shuffle(listed)
    found = adjacency(listed, Documents(COMMA)).pairs
    pages = {title: (name, int(n)) for title, (name, n, mark) in titles.items() if n.isdigit() and not mark}
    once = {title: page for title, page in pages.items() if list(pages.values()).count(page) == 1}
    expected = {(a, b) for a, (x, m) in once.items() for b, (y, n) in once.items() if x == y and n == m + 1}
    assert set(found) == expected and len(found) == len(expected)


def decks(count=12, pages=11):
    """title -> text; every deck has the same third page."""
    return {
        f"講演{deck},{page}": "ご清聴ありがとうございました"
        if page == 2
        else f"第{deck}講の{page}枚目の話{deck * page % 7}"
        for deck in range(count)
        for page in range(pages)
    }


def is_next(pair):
    (a, m), (b, n) = (title.rsplit(",", 1) for title in (pair.a, pair.b))
    return a == b and int(n) == int(m) + 1


@pytest.mark.parametrize("order", ["written", "sorted", "shuffled"])
def test_positives_of_pairs_do_not_depend_on_the_order_of_rows(order, tmp_path):
    texts = decks()
    titles = {
        "written": list(texts),
        "sorted": sorted(texts),
        "shuffled": random.Random(0).sample(list(texts), len(texts)),
    }
    source = tmp_path / "honbun_data.json"
    source.write_text(json.dumps({title: texts[title] for title in titles[order]}), encoding="utf-8")
    pairs = make_pairs(str(source), PairsConfig(output=str(tmp_path / "out")))
    assert all(is_next(pair) == bool(pair.label) for pair in pairs)
    candidates = json.loads((tmp_path / "out/links.json").read_text(encoding="utf-8"))["posi"]
    kept_once = 12 * 10 - 2 * 11  # of the same page, one stays
    assert len(candidates) == kept_once and len({tuple(pair) for pair in candidates}) == kept_once


def test_pages_without_numbers_give_no_pairs_and_a_message(tmp_path):
    source = tmp_path / "honbun_data.json"
    source.write_text(json.dumps({f"d{deck},{name}": f"頁{deck}{name}の話" for deck in range(4) for name in "abc"}))
    with pytest.raises(InputError, match="12 pages have no page number in their titles"):
        make_pairs(str(source), PairsConfig(output=str(tmp_path / "out")))


class _NoPreprocessor:
    """Replaces the tokenizer, which is not needed here."""

    room = (9,)

    def __init__(self, *_):
        pass


@pytest.mark.parametrize("shuffled", [False, True])
def test_next_page_pairs_avoid_the_held_out_pages(shuffled, tmp_path, monkeypatch):
    """A folder that `pairs` wrote from notes with links: it has masked copies, and some pages are missing."""
    monkeypatch.setitem(PREPROCESSORS, "together", _NoPreprocessor)
    pages = [
        {
            "title": f"話題{n}",
            "lines": [
                f"話題{n}",
                *(f"{n}の{k}段目。[話題{(n + k) % 20}]を見る。" * 3 + "同じ行" * 50 * (k == 2) for k in range(6)),
            ],
        }
        for n in range(20)
    ]
    source = tmp_path / "export.json"
    source.write_text(json.dumps({"name": "w", "pages": pages}), encoding="utf-8")
    out = tmp_path / "out"
    make_pairs(str(source), PairsConfig(output=str(out), positive="both", length=60, count=60))
    texts = json.loads((out / "honbun_data.json").read_text(encoding="utf-8"))
    assert any(title.endswith(MASK) for title in texts)
    if shuffled:
        rows = random.Random(0).sample(list(texts.items()), len(texts))
        (out / "honbun_data.json").write_text(json.dumps(dict(rows)), encoding="utf-8")
    files = {"honbun": str(out / "honbun_data.json"), "negaposi": str(out / "negaposi.json")}
    config = DataConfig(**files, model_file=files["honbun"], vocab_file=files["honbun"], next_page_pairs=40)
    split = read_inputs(config, None, "together").split
    given = read_pairs(**files)
    added = split.parts["train"][-40:]
    assert sum(pair.label for pair in added) == 20
    assert all(is_next(pair) == bool(pair.label) for pair in added)
    tested = {title.removesuffix(f" {MASK}") for pair in split.held_out for title in (pair.a, pair.b)}
    known = {(pair.a.removesuffix(f" {MASK}"), pair.b) for pair in given.pairs}
    for pair in added:
        assert not {pair.a, pair.b} & tested and (pair.a, pair.b) not in known


def test_next_page_pairs_do_not_depend_on_the_order_of_the_texts():
    texts, document = decks(), Documents(COMMA)
    sampled = []
    for seed in (0, 1):
        rows = dict(random.Random(seed).sample(list(texts.items()), len(texts)))
        sampled.append(sample_next_pages(rows, adjacency(sorted(rows), document).pairs, document, set(), seed=3))
    assert sampled[0] == sampled[1] and len(sampled[0]) > 80


def test_no_negative_has_the_texts_of_a_positive():
    texts, document = decks(), Documents(COMMA)
    adjacent = adjacency(texts, document).pairs
    positives = {(texts[a], texts[b]) for a, b in adjacent}
    for seed in range(10):
        sampled = sample_next_pages(texts, adjacent, document, set(), seed=seed)
        assert not [pair for pair in sampled if not pair.label and (texts[pair.a], texts[pair.b]) in positives]


def test_a_masked_copy_in_the_test_part_excludes_its_page_from_training():
    split = Split({"train": [], "test": [Pair(f"a,1 {MASK}", "b,1", 1)]})
    assert split.free_titles(["a,1", "a,2", f"a,2 {MASK}", "b,1"], "random", COMMA) == ["a,2"]
    assert split.free_titles(["a,1", "a,2", "b,2", "c,1"], "grouped", COMMA) == ["c,1"]


def test_records_with_other_next_pages_have_another_fingerprint(tmp_path):
    """A run of an older version is not resumed with different pairs."""
    file = tmp_path / "x"
    file.write_text("x")
    config = DataConfig(**dict.fromkeys(("honbun", "negaposi", "model_file", "vocab_file"), str(file)))
    more = dataclasses.replace(config, next_page_pairs=2)
    plain, added = ({fingerprint(c, "together", choice=choice) for choice in (1, 2, 99)} for c in (config, more))
    assert len(plain) == 1 and len(added) == 3
    assert fingerprint(more, "together") == fingerprint(more, "together", choice=NEXT_PAGES)
    assert fingerprint(dataclasses.replace(config, next_page_pairs="all"), "together") not in plain | added


@pytest.mark.parametrize("count, start", [(0, "21fa52adb0b8"), (2, "eaf19d80211b"), (18000, "ef493160e34b")])
def test_records_of_earlier_versions_keep_their_fingerprint(tmp_path, count, start):
    file = tmp_path / "x"
    file.write_text("x")
    files = dict.fromkeys(("honbun", "negaposi", "model_file", "vocab_file"), str(file))
    assert fingerprint(DataConfig(**files, dev_share=0.0, next_page_pairs=count), "together").startswith(start)
