"""How a pair compares with other pages: by a plain computation, in the graph, and for texts that are pages."""

import dataclasses
import random

import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import random as sparse_random

from keras_negaposi.lexical import neighbours as module
from keras_negaposi.lexical import page_vectors
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.features import feature_names, lexical_features
from keras_negaposi.lexical.graph_ops import LexicalFeatures
from keras_negaposi.lexical.kept_features import KeptFeatures
from keras_negaposi.lexical.neighbours import NEIGHBOUR_FEATURES, Neighbours
from keras_negaposi.lexical.vocabulary import KINDS, PageFrequencies

WORDS = [
    "りんご",
    "みかん",
    "電車",
    "切符",
    "猫",
    "犬",
    "学校",
    "宿題",
    "料理",
    "味噌汁",
    "山",
    "川下り",
    "天気",
    "台風",
]


def pages(count, seed=0):
    rng = random.Random(seed)
    return [
        "".join(f"{rng.choice(WORDS)}の話{rng.randrange(40)}。" for _ in range(rng.randrange(1, 9)))
        for _ in range(count)
    ]


@pytest.fixture(scope="module")
def texts():
    return list(dict.fromkeys(pages(300)))


@pytest.fixture(scope="module")
def frequencies(texts):
    return PageFrequencies.of(texts)


@pytest.fixture(scope="module")
def neighbours(frequencies, texts):
    return Neighbours.of(frequencies, texts)


def columns(frequencies, neighbours, text_a, text_b):
    rows = np.arange(len(text_a)), np.arange(len(text_a), 2 * len(text_a))
    names, values = lexical_features(frequencies, [*text_a, *text_b], *rows, neighbours)
    assert names == feature_names(True) and values.shape == (len(text_a), len(names))
    return dict(zip(names, values.T, strict=True))


def plainly(frequencies, corpus, a, b, kind):
    """Features of one pair by one kind of term, computed from dense vectors as they are defined."""

    def vectors(some):
        return frequencies.tfidf(kind, KINDS[kind](code_points(some))).toarray().astype(np.float64)

    matrix = vectors(corpus)
    few = (matrix > 0).sum(axis=0)
    few = (few > 0) & (few <= module.SHARED_BY[kind])
    matrix, (of_a, of_b) = matrix * few, vectors([a, b]) * few
    cosines, excess = {}, []
    for name, text in (("A", of_a), ("B", of_b)):
        every = sorted(x @ text for x, page in zip(matrix, corpus, strict=True) if page != (a if name == "A" else b))
        least = every[-page_vectors.NEAREST] if len(every) >= page_vectors.NEAREST else 0.0
        cosines[name] = np.array([x @ text for x, page in zip(matrix, corpus, strict=True) if page not in {a, b}])
        excess.append(np.maximum(cosines[name] - least, 0))
    both = np.sort(np.minimum(*excess))[::-1][: module.COUNTED]
    values = {
        "A, B": of_a @ of_b,
        "nearest page of A": cosines["A"].max(),
        "10 nearest pages of B": np.sort(cosines["B"])[-10:].mean(),
        "3 pages close to both": both[:3].mean(),
        "all pages close to both": np.sqrt((excess[0] * excess[1]).sum()),
        "logarithm: page close to both": np.log(both[0] + 0.01),
        "A, B against nearest page of B": np.log((of_a @ of_b + 0.02) / (cosines["B"].max() + 0.02)),
    }
    return {f"rare {kind}: {name}": value for name, value in values.items()}


@pytest.mark.parametrize("nearest", [100, 20])
def test_they_are_what_they_are_defined_to_be(frequencies, texts, neighbours, monkeypatch, nearest):
    monkeypatch.setattr(page_vectors, "NEAREST", nearest)
    text_a, text_b = [texts[0], texts[7], "猫の話。知らない町"], [texts[1], "犬の話3。", texts[9]]
    found = columns(frequencies, neighbours, text_a, text_b)
    for row, (a, b) in enumerate(zip(text_a, text_b, strict=True)):
        for kind in module.SHARED_BY:
            for name, value in plainly(frequencies, texts, a, b, kind).items():
                assert found[name][row] == pytest.approx(value, abs=2e-3), (name, a, b)


def test_pages_of_one_subject_are_told_from_pages_of_one_document():
    """The first two share as many n-grams as the last two, but only these have a third page close to both."""
    documents = {
        "旅": ["京都の旅。金閣寺を見た", "京都の旅。金閣寺の庭", "京都の旅。金閣寺の門"],
        "本": ["神田の本。古書店を見た"],
        "店": ["神田の本。古書店の庭"],
    }
    corpus = [page for document in documents.values() for page in document] + pages(40)
    frequencies = PageFrequencies.of(corpus)
    found = columns(
        frequencies,
        Neighbours.of(frequencies, corpus),
        [documents["本"][0], documents["旅"][0]],
        [documents["店"][0], documents["旅"][1]],
    )
    subject, document = found["rare 2-3-grams: page close to both"]
    assert document > 0.3 > 0.05 > subject


def test_the_texts_themselves_are_no_other_pages(frequencies, texts, neighbours):
    """Whether A and B are pages of the corpus makes no difference, apart from the page frequencies."""
    a, b = texts[0], texts[1]
    less = Neighbours.of(frequencies, [text for text in texts if text not in {a, b}])
    with_them = columns(frequencies, neighbours, [a], [b])
    without = columns(frequencies, less, [a], [b])
    for name in ("nearest page of A", "10 nearest pages of B", "page close to both"):
        name = f"rare 2-3-grams: {name}"
        assert without[name][0] == pytest.approx(with_them[name][0], abs=0.02), name
    assert with_them["rare 2-3-grams: nearest page of A"][0] < 0.9
    assert with_them["A and B are pages"][0] == 1 and without["A and B are pages"][0] == 0


@pytest.mark.parametrize("size", [300, 60, 4])
def test_the_graph_and_kept_pages_give_the_same(frequencies, texts, size):
    neighbours = Neighbours.of(frequencies, texts[:size])
    odd = ["", "。", "猫", "猫の話1。", "x" * 300, *texts[:40], *pages(30, seed=5)]
    random.Random(0).shuffle(odd)
    text_a, text_b = odd, odd[1:] + odd[:1]
    expected = np.column_stack(list(columns(frequencies, neighbours, text_a, text_b).values()))
    compute = tf.function(LexicalFeatures(frequencies, neighbours).__call__, autograph=False)
    np.testing.assert_allclose(compute(tf.constant(text_a), tf.constant(text_b)), expected, rtol=1e-5, atol=1e-5)
    (kept,) = KeptFeatures(frequencies, neighbours).of([odd[3]], [odd])
    wanted = np.column_stack(list(columns(frequencies, neighbours, [odd[3]] * len(odd), odd).values()))
    np.testing.assert_allclose(kept, wanted, rtol=2e-6, atol=2e-6)


def test_every_feature_varies(frequencies, texts, neighbours):
    found = columns(frequencies, neighbours, texts, texts[1:] + texts[:1])
    assert not [name for name in NEIGHBOUR_FEATURES[:-1] if np.ptp(found[name]) == 0]


def test_of_a_large_corpus_some_pages_are_used(frequencies, texts, monkeypatch):
    monkeypatch.setattr(module, "MOST_PAGES", 100)
    for pages in Neighbours.of(frequencies, texts).by_kind.values():
        assert 50 <= pages.postings.shape[1] <= 100


@pytest.mark.parametrize(
    "change",
    [
        {"near_numbers_0": np.array([9], np.uint16)},
        {"near_counts_0": np.array([200], np.uint16)},
        {"near_weights_1": np.array([np.nan], np.float16)},
        {"near_pages_0": np.array(0)},
    ],
)
def test_arrays_that_do_not_fit_are_rejected(change):
    original = Neighbours.of(PageFrequencies.of(["東京"]), ["東京"])
    arrays = original.arrays()
    again = Neighbours.from_arrays(arrays)
    for kind, pages in original.by_kind.items():
        assert (again.by_kind[kind].postings != pages.postings).nnz == 0
    with pytest.raises(ValueError, match="fit together"):
        Neighbours.from_arrays(arrays | change)


def test_single_texts_joined_again(frequencies, texts, neighbours):
    def vectors(kind):
        return frequencies.tfidf(kind, KINDS[kind](code_points(texts)))

    again = neighbours.of_rows(neighbours.near_rows(vectors))
    for one, other in zip(neighbours.near(vectors), again, strict=True):
        for field in dataclasses.fields(one):
            assert (getattr(one, field.name) != getattr(other, field.name)).sum() == 0


@pytest.mark.parametrize("shape, share", [((9, 40), 0.5), ((6, 3), 0.5), ((5, 30), 0.0), ((0, 4), 0.5), ((9, 40), 1.0)])
def test_the_largest_values_of_each_row(shape, share, monkeypatch):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 4)
    matrix = sparse_random(*shape, share, "csr", np.float32, np.random.default_rng(0))
    found = module.largest(matrix, 5)
    assert found.shape == (shape[0], 5) and found.dtype == np.float32
    for row, values in zip(matrix.toarray(), found, strict=True):
        np.testing.assert_array_equal(values, sorted([*row, *[0] * 5], reverse=True)[:5])
