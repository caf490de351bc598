"""Reading the user's two files: accepted shapes and counts; test_bad_input.py has the invalid files."""

import json
import tracemalloc

import numpy as np
import pytest

from keras_negaposi.data.pairs import Pair, Pairs, read_pairs

TEXTS = {"a": "あ", "b": "い", "c": "", "d": " \n"}


def write(tmp_path, pairs, texts=TEXTS):
    (tmp_path / "h.json").write_text(json.dumps(texts), encoding="utf-8")
    (tmp_path / "n.json").write_text(json.dumps(pairs), encoding="utf-8")
    return str(tmp_path / "h.json"), str(tmp_path / "n.json")


EXPECTED = [Pair("a", "b", 1), Pair("b", "a", 0)]


@pytest.mark.parametrize(
    "pairs",
    [
        [["a", "b", 1], ["b", "a", 0]],
        [["a", "b", "1"], ["b", "a", "0"]],
        [["a", "b", True], ["b", "a", False]],
        [{"a": "a", "b": "b", "label": 1}, {"label": "0", "b": "a", "a": "b"}],
        {"posi": [["a", "b"]], "nega": [["b", "a"]]},
        [["a", "b", 1], {"a": "b", "b": "a", "label": False}],
    ],
)
def test_every_documented_shape(tmp_path, pairs):
    assert read_pairs(*write(tmp_path, pairs)).pairs == EXPECTED


def test_repeats_and_empty_texts_are_counted(tmp_path):
    rows = [["a", "b", 1], ["a", "b", 1], ["b", "a", 0], ["a", "c", 0], ["a", "b", True]]
    data = read_pairs(*write(tmp_path, rows))
    assert (len(data.pairs), data.repeated, data.empty) == (3, 2, 1)
    assert data.class_counts == (2, 1)
    assert "2 repeated pairs dropped, 1 of the texts used are empty" in data.describe()


def test_a_byte_order_mark_is_accepted(tmp_path):
    honbun, negaposi = write(tmp_path, [["a", "b", 1], ["b", "a", 0]])
    for path in (honbun, negaposi):
        content = open(path, "rb").read()
        open(path, "wb").write(b"\xef\xbb\xbf" + content)
    assert read_pairs(honbun, negaposi).pairs == EXPECTED


def test_pairs_are_a_sequence():
    given = [Pair("a", "b", 1), Pair("c", "a", 0), Pair("b", "c", 0)]
    pairs = Pairs.of(given)
    assert list(pairs) == given == [pairs[0], pairs[1], pairs[-1]]
    assert pairs == given and pairs == Pairs(["b", "c", "unused", "a"], np.array([[3, 0, 1], [1, 3, 0], [0, 1, 0]]))
    assert pairs != given[::-1] and pairs != given[:2]
    assert list(pairs[1:]) == given[1:] and pairs.take(np.array([2, 0])) == [given[2], given[0]]
    assert pairs.labels.tolist() == [1, 0, 0]
    assert pairs[:1].used_titles() == ["a", "b"]
    assert Pair("a", "b", 1) in pairs and Pair("a", "b", 0) not in pairs


def test_more_pairs_need_little_memory(tmp_path):
    texts = {f"a title of some length, {number:03d}": "text" for number in range(300)}
    titles = list(texts)
    peaks = []
    for count in (1_000, 80_000):
        rows = [[titles[i % 300], titles[i // 300], i % 2] for i in range(count)]
        files = write(tmp_path, rows, texts)
        tracemalloc.start()
        assert len(read_pairs(*files).pairs) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 79_000 < 120  # bytes; a tuple of two titles alone is as much


@pytest.mark.shared
def test_the_real_data(shared):
    data = read_pairs(*(str(shared / "data/slides" / name) for name in ("honbun_data.json", "negaposi.json")))
    assert (len(data.texts), data.class_counts, data.repeated, data.empty) == (31007, (4470, 4470), 0, 0)
