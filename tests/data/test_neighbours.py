"""Similar documents and pages, the pairs made from them, and how the work grows with the data."""

import contextlib
import io
import json
import random
import resource
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.adjacency import adjacency
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.hard_negatives import nearest_documents, similar_documents
from keras_negaposi.data.negative_sampling import halves, match_negatives
from keras_negaposi.data.next_page_pairs import sample_next_pages
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import split_pairs
from keras_negaposi.data.tfidf import NGrams, have_close_text
from keras_negaposi.data.tfidf_index import TfidfIndex
from keras_negaposi.evaluation.ranking import hard_candidates
from keras_negaposi.evaluation.text_baselines import TRIVIAL
from keras_negaposi.pair_generation.label_leak_check import describe_leaks, measure_leaks
from keras_negaposi.pair_generation.page_store import PageStore, temporary_store
from keras_negaposi.pairs import main
from keras_negaposi.training.distillation import NEIGHBOURS, draw_neighbours
from tests.helpers.properties import bounded

BY_COMMA = Documents(r"^(.*),")
SYLLABLES = [chr(code) for code in range(0x3042, 0x3094)]


def corpus(documents, seed=0, topics=40, vocabulary=600):
    """title -> text: documents of three pages, each about one of several topics; topics share some words."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(SYLLABLES, k=4)) for _ in range(vocabulary)]
    about = [rng.sample(words, 12) for _ in range(topics)]
    return {
        f"d{number:05d},{page}": "".join(rng.choices(about[number % topics], k=8) + rng.choices(words, k=6))
        for number in range(documents)
        for page in range(3)
    }


def exact_neighbours(texts, width=10):
    """Computes all cosines and all densities, as in the definition."""
    names = sorted({BY_COMMA(title) for title in texts})
    whole = [" ".join(texts[title] for title in sorted(texts) if BY_COMMA(title) == name) for name in names]
    matrix = NGrams().fit_transform(whole)
    cosines = (matrix @ matrix.T).toarray()
    np.fill_diagonal(cosines, -1)
    densities = np.sort(cosines, axis=1)[:, -width:].mean(axis=1)
    best = np.argsort(densities / 2 - cosines, axis=1)[:, :width]
    return {name: [names[other] for other in found] for name, found in zip(names, best, strict=True)}


@pytest.mark.parametrize("least", [0.3, 0.6, 0.8, 1 - 1e-9])
def test_close_texts_are_those_of_all_pairs(least):
    texts = list(corpus(150).values())
    changed = [text[:cut] + "変" + text[cut + 1 :] for text, cut in zip(texts[::9], range(50), strict=False)]
    rows = NGrams((2, 2)).fit_transform([*changed, *texts[1::9], *texts[:9], "短", *texts[::3]])
    queries, others = rows[:-150], rows[-150:]
    expected = (queries @ others.T).toarray().max(axis=1) >= least
    assert have_close_text(queries, others, least).tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)


def test_similar_documents_are_those_of_the_full_comparison():
    texts = corpus(600)
    exact = exact_neighbours(texts)
    wanted = set(list(exact)[::20])
    found = nearest_documents(wanted, texts, BY_COMMA)
    same = [len(set(found[name]) & set(exact[name])) for name in wanted]
    assert found.keys() == wanted and np.mean(same) > 8
    few = corpus(40)
    assert nearest_documents({"d00003"}, few, BY_COMMA)["d00003"] == exact_neighbours(few)["d00003"]


def test_only_documents_that_offer_a_b_are_named():
    texts = corpus(200)
    keys = [title for title in texts if int(title[1:6]) % 10 == 3]
    near = similar_documents(texts, BY_COMMA)(["d00007,1", "d00043,0"], keys)
    offered = {BY_COMMA(key) for key in keys}
    assert all(found and set(found) <= offered for found in near.values())
    assert near["d00043,0"][0] in {"d00003", "d00083", "d00123", "d00163"}  # of its topic


@pytest.fixture
def compared(monkeypatch):
    """Counts the postings that the index reads, and the texts that are compared exactly."""
    counts = {"texts": 0, "postings": 0}
    compare = TfidfIndex._compare

    def counting(self, row, others, estimates):
        counts["texts"] += 1
        counts["postings"] += int(np.diff(self._postings.indptr)[self._matrix[row].indices].sum())
        return compare(self, row, others, estimates)

    monkeypatch.setattr(TfidfIndex, "_compare", counting)
    return counts


def test_the_work_follows_the_number_of_pairs_and_of_documents(compared, tmp_path):
    work = {}
    for documents, count in ((500, None), (1000, None), (1000, 40)):
        texts = corpus(documents, topics=4, vocabulary=60)
        compared.update(texts=0, postings=0)
        sample_next_pages(texts, adjacency(texts, BY_COMMA).pairs, BY_COMMA, set(), count)
        work[documents, count] = dict(compared)
    assert work[1000, None]["texts"] <= 1000 and work[1000, None]["postings"] < 2.5 * work[500, None]["postings"]
    assert 0 < work[1000, 40]["texts"] <= 40


def test_the_work_of_a_grouped_split_is_linear_in_the_pairs():
    """All documents have a pair with one hub: a move updates the gains of its neighbours and recomputes no others."""

    def steps(documents):
        pairs = [Pair(f"d{n},0", f"d{n},1", 1) for n in range(documents)]
        pairs += [Pair(f"d{n},0", "hub,1", 0) for n in range(documents)]
        count = 0

        def trace(frame, event, _):
            nonlocal count
            count += event == "line"
            return trace

        sys.settrace(trace)
        try:
            with pytest.raises(InputError):  # no negative is left on either side
                split_pairs(pairs, "grouped", 0.25, 0.0, r"^(.*),", 0)
        finally:
            sys.settrace(None)
        return count

    assert steps(400) < 2.5 * steps(200)


def test_every_page_is_a_once_before_any_is_a_twice():
    pages = corpus(40)
    pairs = draw_neighbours(pages, set(), len(pages) + 5, 0)
    assert len({(pair.a, pair.b) for pair in pairs}) == len(pages) + 5
    assert {pair.a for pair in pairs[: len(pages)]} == set(pages)


PAGES = st.dictionaries(
    st.integers(0, 60).map("d,{}".format), st.text(alphabet="あいう ", max_size=6), min_size=1, max_size=40
)


@bounded
@given(PAGES, st.integers(1, 900), st.randoms())
def test_property_neighbour_pairs(pages, count, rng):
    """Returns as many different pairs as were asked for, or all that are possible, with a message that counts them."""
    titles = list(pages)
    known = {(rng.choice(titles), rng.choice(titles)) for _ in range(20)}

    def drawn_with_message(count):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            try:
                return draw_neighbours(pages, known, count, 0), output.getvalue()
            except InputError as error:
                return [], str(error)

    pairs, message = drawn_with_message(count)
    if message:
        possible = int(message.split(" pairs with the")[0].split()[-1].replace(",", ""))
        assert len(pairs) == possible < count
        assert not possible or drawn_with_message(possible) == (pairs, "")
        count = possible
        more, message = drawn_with_message(possible + 1)
        assert more == pairs and f" make {possible:,} pairs" in message
    chosen = {(pair.a, pair.b) for pair in pairs}
    assert len(chosen) == len(pairs) == count and not chosen & known
    assert all(a != b and a in pages and b in pages for a, b in chosen)
    assert all(sum(a == title for a, _ in chosen) <= NEIGHBOURS for title in titles)


@bounded
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), unique=True, max_size=30),
    st.sampled_from(["", "あ", "同じ話"]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.one_of(st.none(), st.integers(0, 40)),
)
def test_property_negatives(places, text, hard_share, count):
    """Negatives join two documents, also with one document only, no candidates, or equal texts."""
    texts = {f"d{document},{page}": text for document, page in places}
    positives, others = halves([(title, f"{title}+") for title in texts], count)
    keys = [b for _, b in others]
    near = similar_documents(texts | {b: text for b in keys}, BY_COMMA)
    matched = match_negatives(
        [a for a, _ in others], keys, lambda a, b: BY_COMMA(a) != BY_COMMA(b), near, BY_COMMA, hard_share, 0
    )
    assert len({a for a, _ in matched}) == len({b for _, b in matched}) == len(matched)
    assert all(BY_COMMA(a) != BY_COMMA(b) and b in keys for a, b in matched)
    assert len(positives) <= len(others) or not texts


@pytest.mark.parametrize("text", ["", "あ"])
def test_texts_without_two_characters_score_as_chance_does(text):
    texts = dict.fromkeys(corpus(12), text)
    pairs = [Pair(a, b, number % 2) for number, (a, b) in enumerate(zip(texts, list(texts)[4:], strict=False))]
    for name, score in TRIVIAL.items():
        scores = score(texts, pairs[:20], pairs[20:])
        assert np.ptp(scores) == 0 and scores[0] == (0 if name == "majority" else pytest.approx(0.5)), name
    assert measure_leaks(pairs, texts.__getitem__, r"^(.*),", 0) is not None
    assert describe_leaks(measure_leaks(pairs[:2], texts.__getitem__, r"^(.*),", 0))[0].startswith("Too few pairs")
    assert len(hard_candidates(texts, pairs[:2], sorted(texts), BY_COMMA, 3)[0]) == 3
    found = nearest_documents({"d00000"}, texts, BY_COMMA)["d00000"]
    assert len(found) == (10 if text else 0)  # "あ あ あ" is the text of a document
    with pytest.raises(InputError, match="--distill_pairs 3: the 36 pages .* make 0 pairs"):
        draw_neighbours(texts, set(), 3, 0)


def test_texts_without_n_grams_have_rows_of_zeros():
    fitted = NGrams()
    rows = fitted.fit_transform(iter(["庭の石", "", "石の庭"]))
    assert rows.shape[0] == 3 and rows[1].nnz == 0
    assert fitted.transform(["庭の"]).shape[1] == rows.shape[1]

    def failing():
        yield "庭の石"
        raise InputError("the disk is full")

    with pytest.raises(InputError, match="the disk is full"):
        NGrams().fit_transform(failing())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_small_count_from_many_pages(count, tmp_path, capsys):
    source = tmp_path / "honbun_data.json"
    source.write_text(json.dumps(corpus(20)), encoding="utf-8")
    code = main([str(source), "--output", str(tmp_path / "out"), "--count", str(count)])
    output = capsys.readouterr()
    assert (code, "2 pairs chosen" in output.out) == ((2, False) if count == 1 else (0, True))
    assert count > 1 or "--count 1: must be at least 2" in output.err


def test_a_full_disk_is_explained(tmp_path):
    """A limit on the file size simulates a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = PageStore(str(tmp_path / "pages.sqlite"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(InputError) as raised:
            for number in range(100_000):
                store.add(str(number), "庭" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        store.close()
    assert str(raised.value).startswith(f"{tmp_path}: cannot store the pages there: ")
    assert "\n" not in str(raised.value) and "set TMPDIR to a folder on another disk" in str(raised.value)


def test_a_full_disk_ends_the_command_in_one_line(tmp_path):
    source = tmp_path / "honbun_data.json"
    source.write_text(json.dumps({f"d,{n}": f"{n}" + "庭" * 5000 for n in range(300)}), encoding="utf-8")
    command = [sys.executable, "-m", "keras_negaposi.pairs", str(source), "--output", str(tmp_path / "out")]
    limit = (1 << 16, resource.RLIM_INFINITY)
    ended = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert "cannot store the pages there" in ended.stderr and len(ended.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("out*"))


def test_no_folder_for_temporary_files(monkeypatch):
    def refuse(*_):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match="no folder for temporary files: No usable .*; free some space, or set TMPDIR"):
        with temporary_store():
            pass
