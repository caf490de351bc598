"""Densities in an index without a run: of its pages, of other texts, and after an update."""

import numpy as np
import pytest

from keras_negaposi.data.reference_pages import NEAREST
from keras_negaposi.index_files.page_density import PageDensity, densities_of
from keras_negaposi.index_files.segment import write_segment
from keras_negaposi.index_files.vectors import Vectors


def indexed(folder, rows):
    keys = [f"page{i}" for i in range(len(rows))]
    segment = write_segment(folder / "segment", keys, {"vector": rows.astype(np.float32)})
    return Vectors({"segment": segment}, keys, centred=True)


@pytest.fixture
def vectors(tmp_path):
    return indexed(tmp_path, np.random.default_rng(0).normal(size=(30, 5)))


def test_a_pages_own_vector_does_not_count(vectors):
    rows = np.stack([vectors[key] for key in vectors])
    expected = np.sort(rows @ rows.T, axis=1)[:, -NEAREST - 1 : -1].mean(axis=1)
    np.testing.assert_allclose(list(densities_of(vectors).values()), expected, atol=1e-6)


def test_other_texts_are_compared_with_the_same_pages(vectors):
    text = np.random.default_rng(1).normal(size=(1, 5)).astype(np.float32)
    text /= np.linalg.norm(text)
    rows = np.stack([vectors[key] for key in vectors])
    expected = np.sort(text @ rows.T)[0, -NEAREST - 1 : -1].mean()
    np.testing.assert_allclose(PageDensity(vectors).of(text), [expected], atol=1e-6)


def test_known_densities_stay_and_new_ones_are_added(vectors):
    every = densities_of(vectors)
    known = {"page3": 0.5, "page4": 0.25, "gone": 1.0}
    found = densities_of(vectors, known)
    assert found.keys() == every.keys()
    assert (found["page3"], found["page4"]) == (0.5, 0.25)
    assert {key: value for key, value in found.items() if key not in known} == {
        key: value for key, value in every.items() if key not in known
    }


def test_an_index_of_one_page_has_a_density_too(tmp_path):
    assert list(densities_of(indexed(tmp_path, np.ones((1, 5)))).values()) == [0.0]
