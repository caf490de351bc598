"""From many texts on, n-grams are hashed and sampled: nearly the same is found, and the work stays linear."""

import random

import numpy as np
import pytest

from keras_negaposi.data import tfidf, tfidf_index
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.hard_negatives import nearest_documents
from keras_negaposi.evaluation import leakage_audit
from keras_negaposi.evaluation.leakage_audit import near_duplicates

LETTERS = [chr(code) for code in range(0x3042, 0x3094)]
BY_COMMA = Documents(r"^(.*),")


@pytest.fixture
def many(monkeypatch):
    """Returns a function from whose call on a hundred texts are many."""

    def start():
        for module in (tfidf, tfidf_index, leakage_audit):
            monkeypatch.setattr(module, "HASHED_FROM", 100)
        monkeypatch.setattr(tfidf, "HASHES", 1 << 18)
        monkeypatch.setattr(tfidf, "BLOCK", 64)

    return start


def pages(count, length=60, seed=0):
    """Texts of words, all of which end with the same sentence."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(LETTERS, k=4)) for _ in range(200)]
    return ["".join(rng.choices(words, k=length // 4)) + "これは同じ文です。" for _ in range(count)]


def test_near_duplicates_among_many_texts(many, caplog):
    others = pages(600)
    changed = [text[:cut] + "変" + text[cut + 1 :] for text, cut in zip(others[::4], range(150), strict=True)]
    texts = [*changed, *pages(150, seed=1)]
    exact = near_duplicates(texts, others)
    assert 100 < len(exact) < 200
    caplog.set_level("INFO", "keras_negaposi")
    assert not caplog.text
    many()
    found = near_duplicates(texts, others)
    assert len(found ^ exact) <= 0.03 * len(exact)
    assert f"of 300 texts compared with all 600, {len(exact)} have one, and" in caplog.text


def test_similar_documents_among_many(many, caplog):
    texts = {f"d{number},0": text for number, text in enumerate(pages(400, 200))}
    wanted = {f"d{number}" for number in range(0, 400, 8)}
    before = nearest_documents(wanted, texts, BY_COMMA)
    many()
    caplog.set_level("INFO", "keras_negaposi")
    after = nearest_documents(wanted, texts, BY_COMMA)
    assert np.mean([len(set(before[name]) & set(after[name])) for name in wanted]) > 8
    assert "an index of 400 texts finds " in caplog.text


@pytest.mark.parametrize("count", [500, 2000])
def test_a_look_up_takes_limited_time(many, count):
    many()
    rows = tfidf.tfidf_rows(iter(pages(count)), count)
    counts = tfidf.page_counts(tfidf.row_blocks(rows))
    rng = np.random.default_rng(0)
    kept = tfidf.page_counts(tfidf.sampled(block, counts, rng) for block in tfidf.row_blocks(rows))
    assert counts.max() == count and kept.max() < 2 * tfidf.POSTINGS
    assert (kept == counts)[counts <= tfidf.POSTINGS].all() and (kept > 0)[counts > 0].all()


def test_rows_in_blocks_are_those_of_all_texts(many):
    texts = [*pages(150), "", "短"]
    exact = tfidf.NGrams().fit_transform(texts)
    many()
    hashed = tfidf.tfidf_rows(iter(texts), len(texts))
    np.testing.assert_allclose((hashed @ hashed.T).toarray(), (exact @ exact.T).toarray(), atol=0.03)
