"""Tests of score tables: any title can be written and is read back exactly."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.tables import escaped, read_rows, unescaped, write_rows
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.evaluation.score_table import read_scores, scores_table
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

ODD = (*"\t\n\r\v\f\x1c\x85\u2028\u2029\\\0\ufeff", "\r\n", "\\n", "\\u2028", "")
TITLES = [f"表題{odd}{number}" for number, odd in enumerate(ODD)]
PAIRS = [Pair(a, b, number % 2) for number, (a, b) in enumerate(zip(TITLES, TITLES[1:], strict=False))]
SCORES = Scores(np.array([p.label for p in PAIRS]), np.linspace(0, 1, len(PAIRS), dtype=np.float32), 0.4)


def test_titles_come_back_exactly(tmp_path):
    table = scores_table(PAIRS, SCORES)
    assert len(table.splitlines()) == len(PAIRS) + 1  # whatever a reader takes for the end of a line
    rows = [[unescaped(cell) for cell in row] for row in read_rows(table)[1:]]
    assert [(row[0], row[1], int(row[2])) for row in rows] == [(p.a, p.b, p.label) for p in PAIRS]
    (tmp_path / "scores.tsv").write_bytes(table.encode())
    found = read_scores(str(tmp_path / "scores.tsv"), PAIRS, 0.4, 7)
    np.testing.assert_array_equal(found.probabilities, SCORES.probabilities)
    np.testing.assert_array_equal(found.predictions, SCORES.predictions)


@pytest.mark.parametrize("threshold", [-0.1, 0.0, 0.1, 0.3, 0.62, 1.0])
def test_predictions_tell_a_threshold(tmp_path, threshold):
    scores = dataclasses.replace(SCORES, threshold=threshold)
    (tmp_path / "scores.tsv").write_text(scores_table(PAIRS, scores), encoding="utf-8")
    found = read_scores(str(tmp_path / "scores.tsv"), PAIRS, None, 32)
    np.testing.assert_array_equal(found.predictions, scores.predictions)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_tables_of_older_versions_are_read(tmp_path, line_end):
    titles = ["C:\\new", "改\u2028行", "縦\v書", "a\tb"]
    pairs = [Pair(title, "次", 1) for title in titles]
    old = [["a", "b", "label", "probability", "prediction"]]
    old += [[title.replace("\t", " "), "次", "1", "0.25", "0"] for title in titles]
    (tmp_path / "old.tsv").write_bytes("".join("\t".join(row) + line_end for row in old).encode())
    assert read_scores(str(tmp_path / "old.tsv"), pairs, 0.5, 32).probabilities.tolist() == [0.25] * 4


@bounded
@given(st.lists(st.lists(st.text() | st.sampled_from(ODD), min_size=1, max_size=4), min_size=1))
def test_property_any_cells_come_back(rows):
    text = write_rows(rows)
    assert len(text.splitlines()) == len(rows)
    assert [[unescaped(cell) for cell in row] for row in read_rows(text)] == rows
    for row in rows:
        for cell in row:
            assert unescaped(escaped(cell)) == cell


@bounded
@given(st.data())
def test_property_a_changed_table_of_scores(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "changed.tsv"
    path.write_bytes(data.draw(mutations(scores_table(PAIRS, SCORES).encode(), [b"nan", b"inf", b"-1", b"1e5"])))
    found = succeeds_or_explains(lambda: read_scores(str(path), PAIRS, 0.4, 32))
    if isinstance(found, InputError):
        assert str(path) in str(found) and "--resume" in str(found)
    else:  # of these pairs, every one a probability
        assert len(found.probabilities) == len(PAIRS) == len(found.labels)
        assert ((found.probabilities >= 0) & (found.probabilities <= 1)).all()


def test_what_is_wrong_is_named(tmp_path):
    rows = scores_table(PAIRS, SCORES).splitlines(keepends=True)
    path = tmp_path / "scores.tsv"
    for changed, words in (
        (rows[:-1], "14 rows"),
        ([rows[0], rows[2], rows[1], *rows[3:]], "line 2: column a is"),
        ([*rows[:-1], rows[-1].replace("\t1\t", "\tnan\t")], "line 16: invalid probability"),
        (rows[1:], "line 1"),
    ):
        path.write_text("".join(changed), encoding="utf-8", newline="")
        with pytest.raises(InputError, match=words):
            read_scores(str(path), PAIRS, 0.4, 32)
    path.unlink()
    with pytest.raises(InputError, match="not finished; continue the run with --resume"):
        read_scores(str(path), PAIRS, 0.4, 32)
