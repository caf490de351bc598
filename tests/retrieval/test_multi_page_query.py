"""Several pages as one query."""

import numpy as np

from keras_negaposi.retrieval.multi_page_query import attend


def test_the_last_of_several_pages_attends_to_all():
    vectors = [np.array([[0.0, 2.0, 0.0]]), np.array([[0.0, 0.0, 2.0]]), np.array([[0.0, 0.0, 2.0]])]
    weights = np.array([1.0, np.e, np.e]) / (1 + 2 * np.e)  # softmax of the cosines 0, 1, 1
    expected = np.array([[0.0, weights[0], weights[1] + weights[2]]])
    (attended,) = attend([{"query": vector} for vector in vectors]).values()
    np.testing.assert_allclose(attended, 2.0 * expected / np.linalg.norm(expected), atol=1e-6)
    np.testing.assert_allclose(attend([{"query": vectors[0]}])["query"], vectors[0])


def test_the_tokens_of_several_pages_are_all_seen():
    first, second = (
        {"states": np.full((1, n, 2), n), "mask": np.ones((1, n), np.int32), "vector": np.ones((1, 2))} for n in (3, 5)
    )
    both = attend([first, second])
    assert both["mask"].tolist() == [[1] * 8] and both["states"][0, :, 0].tolist() == [3] * 3 + [5] * 5
    np.testing.assert_allclose(both["vector"], [[1, 1]])
