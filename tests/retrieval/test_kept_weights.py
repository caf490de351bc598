"""An update that keeps the weights: n-grams as in a new index, and the weights are fitted again by the next update."""

import numpy as np
import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.retrieval import Index
from keras_negaposi.retrieval.build import index_pages

NEW = "雲が流れる空を見ていた。"


@pytest.fixture
def changed(corpus):
    """The corpus with a page more, one changed, one gone, and one whose text is now in two pages."""
    pages = dict(corpus) | {"kumo,000": NEW, "doc03,002": NEW * 2, "doc04,001": corpus["doc05,001"]}
    del pages["doc06,003"]
    return pages


def build(path, pages, keep_weights=False):
    index_pages(None, IndexConfig(output=str(path)), pages, keep_weights=keep_weights)
    return Index(str(path))


def lexical_files(index):
    folder = index.store.path / index.store.lexical
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_update_has_the_n_grams_of_a_new_index_and_fits_the_weights_later(tmp_path, corpus, changed):
    before, new = build(tmp_path / "i", corpus), build(tmp_path / "new", changed)
    kept = build(tmp_path / "i", changed, keep_weights=True)
    ours, theirs = kept.origin.lexical, new.origin.lexical
    for name, array in theirs.index.arrays().items():
        np.testing.assert_array_equal(ours.index.arrays()[name], array)
    assert ours.model.frequencies.pages == theirs.model.frequencies.pages == len(changed)
    for kind, counts in theirs.model.frequencies.counts.items():
        np.testing.assert_array_equal(ours.model.frequencies.counts[kind], counts)
    np.testing.assert_array_equal(ours.model.coefficients, before.origin.lexical.model.coefficients)
    assert ours.fit.outdated and not theirs.fit.outdated
    assert kept.suggest(NEW, 3)[0].title == "doc03,002"
    # Nothing has changed since, but the weights are older than the pages.
    files = lexical_files(kept)
    assert lexical_files(build(tmp_path / "i", changed, keep_weights=True)) == files
    assert lexical_files(build(tmp_path / "i", changed)) == lexical_files(new) != files


def test_weights_that_were_never_fitted_are_fitted(tmp_path, corpus):
    few = {title: text for title, text in corpus.items() if title.startswith("doc00")}
    assert build(tmp_path / "i", few).origin.lexical.fit.pairs == 0
    fit = build(tmp_path / "i", corpus, keep_weights=True).origin.lexical.fit
    assert fit.pairs and not fit.outdated


def test_frequencies_of_a_changed_corpus_are_exact():
    texts = [f"{number}番目の雲と空" * (number % 3 + 1) for number in range(40)]
    found = PageFrequencies.of(texts).changed(texts[:10], ["新しい", "雲", "雲"])
    expected = PageFrequencies.of([*texts[10:], "新しい", "雲", "雲"])
    assert found.pages == expected.pages
    assert all((found.counts[kind] == counts).all() for kind, counts in expected.counts.items())
