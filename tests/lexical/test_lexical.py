"""Lexical features: equal to scikit-learn's and to plain Python's on hand-made texts, and stronger than a cosine."""

import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from keras_negaposi.data.pairs import read_pairs
from keras_negaposi.data.splits import split_pairs
from keras_negaposi.evaluation.text_baselines import TRIVIAL, labels_of
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.features import lexical_features
from keras_negaposi.lexical.vocabulary import KINDS, PageFrequencies
from tests.helpers.properties import bounded

TEXTS = [
    "東京タワーへ行く。東京は広い",
    "大阪の タワーへ行った。Python3で書く",
    "",
    "あ",
    "ｐｙｔｈｏｎ３　と ﾀﾜｰ、東京！",
    "京都。京都。京都は東京ではない。です。",
]


def features(texts, a, b, corpus=None):
    names, values = lexical_features(PageFrequencies.of(corpus or texts), texts, np.array(a), np.array(b))
    return dict(zip(names, values.T, strict=True))


def spelled(text):
    points = code_points([text])
    return "".join(map(chr, points.points))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("ＡＢｃ１", "abc1"),
        ("  a \n\t b　c ", "a b c "),
        ("ﾀﾜｰ", "タワー"),
        ("㍻", "㍻"),  # its compatibility form has several characters, so it stays
        ("𠮷野家", "𠮷野家"),
        ("\ud800", "\ud800"),
    ],
)
def test_texts_are_normalised(text, wanted):
    assert spelled(text) == wanted


def test_spaces_are_dropped_at_the_start_of_every_text():
    points = code_points(["a ", " b", "", "  ", "c"])
    assert points.starts.tolist() == [0, 2, 3, 3, 3, 4]


def test_cosines_of_ngrams_are_those_of_scikit_learn():
    spellings = [spelled(text) for text in TEXTS]
    weights = TfidfVectorizer(analyzer="char", ngram_range=(2, 3), sublinear_tf=True).fit_transform(spellings)
    a, b = (side.ravel() for side in np.meshgrid(np.arange(len(TEXTS)), np.arange(len(TEXTS))))
    wanted = np.asarray(weights[a].multiply(weights[b]).sum(axis=1)).ravel()
    np.testing.assert_allclose(features(TEXTS, a, b)["2-3-grams: A, B"], wanted, atol=1e-6)


def test_ends_equal_those_of_shortened_texts():
    rng = random.Random(0)
    texts = [
        "".join(rng.choice("あいうえおかきくけこ漢字カナ。") for _ in range(rng.randrange(1, 200))) for _ in range(30)
    ]
    cut = [text[-40:] for text in texts] + [text[:40] for text in texts]
    a, b = np.arange(30), np.arange(30)[::-1]
    mine = features(texts, a, b)["2-3-grams: last 40 of A, first 40 of B"]
    wanted = features(cut, a, b + 30, corpus=texts)["2-3-grams: A, B"]
    np.testing.assert_allclose(mine, wanted, atol=1e-6)
    assert mine.max() > 0.05 > mine.min()


WORDS = {
    "words": r"[一-鿿㐀-䶿々]+|[ァ-ヺー-ヿ]{2,}|[a-z0-9]+",
    "kanji words": r"[一-鿿㐀-䶿々]+",
    "katakana words": r"[ァ-ヺー-ヿ]{2,}",
    "Latin words": r"[a-z0-9]+",
    "hiragana runs": r"[ぁ-ゟ]{2,}",
    "kanji": r"[一-鿿㐀-䶿々]",
}


@pytest.mark.parametrize("kind", WORDS)
def test_words_are_the_longest_runs_of_a_script(kind):
    found = KINDS[kind](code_points(TEXTS))
    mine = sorted(zip(found.texts.tolist(), found.starts.tolist(), found.ends.tolist(), strict=True))
    wanted = [(i, *m.span()) for i, text in enumerate(TEXTS) for m in re.finditer(WORDS[kind], spelled(text))]
    assert mine == sorted(wanted)
    # Equal words have one bucket, different words have different ones.
    word = [
        spelled(TEXTS[text])[start:end] for text, start, end in zip(found.texts, found.starts, found.ends, strict=True)
    ]
    assert (
        len(set(zip(word, found.buckets.tolist(), strict=True))) == len(set(word)) == len(set(found.buckets.tolist()))
    )


def test_rarity_counts_pages_and_ignores_terms_of_one_page():
    texts = ["猫が鳴く", "猫が走る", "犬が走る", "xyz"]
    corpus = [*texts, *["猫が" for _ in range(7)]]
    found = features(texts, [0, 1, 0], [1, 2, 3], corpus)
    shared = {"猫が": 9, "が走": 2, "走る": 2, "が走る": 2}  # pages that contain it, of 11
    logarithms = {term: np.log(11 / pages) for term, pages in shared.items()}
    assert found["rarity of the 5 rarest shared"] == pytest.approx([logarithms["猫が"] / 5, 3 * np.log(11 / 2) / 5, 0])
    assert found["shared by 3 pages"] == pytest.approx(np.log1p([0, 3, 0]))
    assert found["shared by 10 pages"] == pytest.approx(np.log1p([1, 3, 0]))


def test_style_and_length():
    found = features(["これはペンです。", "犬だ。「わん」"], [0], [1])
    assert found["です・ます: difference"] == pytest.approx(1 / 8)
    assert found["full stops: in both"] == pytest.approx(np.sqrt(1 / 8 * 1 / 7))
    assert found["katakana characters: difference"] == pytest.approx(2 / 8)
    assert (found["length of A"], found["length of B"], found["A ends a sentence"]) == (8, 7, 1)


@bounded
@given(st.lists(st.text(max_size=80), min_size=1, max_size=8), st.data())
def test_property_features_are_finite_for_any_text(texts, data):
    sides = [data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=3, max_size=3)) for _ in range(2)]
    values = features(texts, *sides)
    assert all(np.isfinite(column).all() for column in values.values())
    assert all(column.max() <= 1 + 1e-5 for name, column in values.items() if name.endswith(": A, B"))


@pytest.mark.shared
def test_on_real_unseen_documents_they_beat_the_tfidf_cosine(shared):
    folder = shared / "data/slides"
    data = read_pairs(str(folder / "honbun_data.json"), str(folder / "negaposi.json"))
    parts = split_pairs(data.pairs, "grouped", 0.25, 0.0, "^(.*),", 0).parts
    labels = labels_of(parts["test"])
    correct = {
        name: (TRIVIAL[name](data.texts, parts["train"], parts["test"]) > 0.5) == labels
        for name in ("TF-IDF cosine", "lexical features")
    }
    gain = correct["lexical features"].astype(int) - correct["TF-IDF cosine"]
    assert gain.mean() > 2 * gain.std() / np.sqrt(len(gain))
