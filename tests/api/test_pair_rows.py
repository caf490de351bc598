"""What users pass as pairs."""

import numpy as np
import pandas
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.api.pair_rows import labelled_rows, text_pairs
from keras_negaposi.readers.labelled_rows import LabelledRow

PAIRS = [("あ", "い"), ("う", "え")]
ROWS = [LabelledRow("pairs: row 0", "あ", "い", 1, "x"), LabelledRow("pairs: row 1", "う", "え", 0, "y")]
COLUMNS = {"text_a": ["あ", "う"], "text_b": ["い", "え"], "label": [1, 0], "group": ["x", "y"]}


class HuggingFaceLike:
    """Has what `datasets.Dataset` has."""

    column_names = list(COLUMNS)

    def __getitem__(self, name):
        return COLUMNS[name]


@pytest.mark.parametrize(
    "table", [COLUMNS, pandas.DataFrame(COLUMNS), pandas.DataFrame(COLUMNS, index=[7, 7]), HuggingFaceLike()]
)
def test_tables(table):
    assert text_pairs(table) == PAIRS
    assert labelled_rows(table) == ROWS


@pytest.mark.peers
def test_a_real_dataset_of_hugging_face():
    import datasets

    table = datasets.Dataset.from_dict(COLUMNS)
    assert text_pairs(table) == PAIRS
    assert labelled_rows(table) == ROWS


@pytest.mark.parametrize("pairs", [PAIRS, np.array(PAIRS), [["あ", "い"], ["う", "え"]], iter(PAIRS)])
def test_sequences(pairs):
    rows = labelled_rows(pairs, [1, 0], ["x", "y"])
    assert rows == ROWS
    assert all(type(row.text_a) is str for row in rows)


@pytest.mark.parametrize(
    "labels", [np.array([1, 0], np.int8), np.array([1.0, 0.0]), np.array([True, False]), pandas.Series([1, 0])]
)
def test_labels_of_numpy(labels):
    assert labelled_rows(PAIRS, labels, ["x", "y"]) == ROWS


def test_arguments_come_before_columns():
    rows = labelled_rows(COLUMNS, [0, 0], [1, 2])
    assert [(row.label, row.group) for row in rows] == [(0, "1"), (0, "2")]


def test_no_groups_are_needed():
    assert [row.group for row in labelled_rows(PAIRS, [1, 0])] == [None, None]


@pytest.mark.parametrize(
    ("pairs", "labels", "groups", "message"),
    [
        ({"a": [], "b": []}, None, None, "no column text_a"),
        (PAIRS, None, None, "no labels; give y"),
        (PAIRS, [1], None, "2 pairs, 1 labels"),
        (PAIRS, [1, 0], ["x"], "2 pairs, 2 labels, 1 groups"),
        ([("あ", "い"), "うえ"], [1, 0], None, 'row 1: is "うえ"; give a table'),
        ([("あ", "い", "う")], [1], None, "row 0: is"),
        ([("あ", None)], [1], None, "row 0: text_b must be a string, not None"),
        (pandas.DataFrame({"text_a": ["あ", None], "text_b": ["い", "う"]}), [1, 0], None, "row 1: text_a must be"),
        ([("あ", "\ud800")], [1], None, "half a surrogate"),
        (3, [1], None, "is 3; give a table"),
    ],
)
def test_pairs_that_cannot_be_used(pairs, labels, groups, message):
    with pytest.raises(InputError, match=message) as caught:
        labelled_rows(pairs, labels, groups)
    assert "\n" not in str(caught.value)
