"""The features of pages that are kept are those of pages that are counted again."""

import numpy as np

from keras_negaposi.lexical import kept_features
from keras_negaposi.lexical.features import feature_names, lexical_features
from keras_negaposi.lexical.kept_features import KeptFeatures
from keras_negaposi.lexical.vocabulary import PageFrequencies


def check(kept, frequencies, queries, pages):
    for query, texts, found in zip(queries, pages, kept.of(queries, pages), strict=True):
        rows = np.zeros(len(texts), np.int64), 1 + np.arange(len(texts))
        expected = lexical_features(frequencies, [query, *texts], *rows)[1]
        assert found.shape == (len(texts), len(feature_names())) and found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


def test_they_are_equal_also_when_they_are_used_again_or_forgotten(corpus, monkeypatch):
    texts = [*dict.fromkeys(corpus.values()), "", "。", "Ｒａｗ とJPEG! カメラ", "猫" * 500]
    frequencies = PageFrequencies.of(texts)
    kept = KeptFeatures(frequencies)
    queries = ["りんごを買う。電車で話す。", "", "知らない言葉 xyz", texts[3], "。" * 200]
    check(kept, frequencies, queries, [texts[:50], texts[40:], texts[-4:], texts[::3], texts])
    check(kept, frequencies, queries[:2], [[], texts[:3]])
    monkeypatch.setattr(kept_features, "MOST_PAGES", 7)
    for _ in range(2):
        check(kept, frequencies, queries[:2], [texts[:30], texts[-9:]])
    assert len(kept._pages) == 7
    assert list(kept._pages) == list(dict.fromkeys([*texts[:30], *texts[-9:]]))[-7:]


def test_pages_can_be_computed_ahead(corpus, monkeypatch):
    texts = list(dict.fromkeys(corpus.values()))
    frequencies = PageFrequencies.of(texts)
    kept = KeptFeatures(frequencies)
    monkeypatch.setattr(kept_features, "PAGES_PER_STEP", 50)
    assert list(kept.preparing([*texts, *texts])) == [*range(50, len(texts), 50), len(texts)]
    monkeypatch.setattr(kept_features, "_pages_of", None)  # nothing is computed again
    check(kept, frequencies, ["りんごを買う。電車で話す。"], [texts])
    monkeypatch.undo()
    monkeypatch.setattr(kept_features, "MOST_PAGES", 7)
    assert list(KeptFeatures(frequencies).preparing(texts)) == [7]
