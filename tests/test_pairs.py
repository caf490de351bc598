"""Reading the user's two files: what is taken and what is counted; what is refused stands in test_bad_input.py."""

import json

import pytest

from keras_negaposi.labelled import Pair, read_pairs

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


def test_a_byte_order_mark_is_no_error(tmp_path):
    honbun, negaposi = write(tmp_path, [["a", "b", 1], ["b", "a", 0]])
    for path in (honbun, negaposi):
        content = open(path, "rb").read()
        open(path, "wb").write(b"\xef\xbb\xbf" + content)
    assert read_pairs(honbun, negaposi).pairs == EXPECTED


@pytest.mark.shared
def test_the_real_data(shared):
    data = read_pairs(*(str(shared / "data/slides" / name) for name in ("honbun_data.json", "negaposi.json")))
    assert (len(data.texts), data.class_counts, data.repeated, data.empty) == (31007, (4470, 4470), 0, 0)
