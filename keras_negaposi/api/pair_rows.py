"""What users pass as pairs: data frames, columns, or sequences of (text_a, text_b).

Nothing here imports pandas or datasets: anything with named columns counts as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.json_text import check_text
from keras_negaposi.readers.labelled_rows import LabelledRow

TEXTS, LABEL, GROUP = ("text_a", "text_b"), "label", "group"
"""Names of the columns."""
Table = Any
"""A pandas or polars DataFrame, a Hugging Face ``Dataset``, a mapping of columns, or a sequence of pairs."""
Column = Iterable[Any]
"""A list, an array or a column of a table."""
_SHAPES = "a table with the columns text_a and text_b, or (text_a, text_b) pairs"


def text_pairs(pairs: Table) -> list[tuple[str, str]]:
    """Returns (text_a, text_b) of each row.

    Args:
        pairs: a pandas or polars DataFrame, a Hugging Face ``Dataset`` or a mapping, with columns; or a sequence of
            pairs.

    Raises:
        InputError: there are no such columns, or a text is no valid string; names the row, counted from 0.
    """
    columns = [_column(pairs, name) for name in TEXTS] if _names(pairs) is not None else _unzipped(pairs)
    _check_lengths(pairs=columns[0], text_b=columns[1])
    rows = list(zip(*columns, strict=True))
    for number, row in enumerate(rows):
        for name, text in zip(TEXTS, row, strict=True):
            if not isinstance(text, str):
                raise InputError(f"{place(number)}: {name} must be a string, not {quoted(text)}")
            check_text(text, f"{place(number)}: {name}")
    return rows


def labelled_rows(pairs: Table, labels: Column | None = None, groups: Column | None = None) -> list[LabelledRow]:
    """Returns the labelled pairs.

    Args:
        pairs: as in `text_pairs`; its columns ``label`` and ``group`` count where the other arguments are ``None``.
        labels: 1 if B comes next after A, else 0.
        groups: names or numbers of the documents that the pairs are from.

    Raises:
        InputError: as `text_pairs`; there are no labels, or not as many labels or groups as pairs.
    """
    texts, names = text_pairs(pairs), _names(pairs) or []
    if labels is None and LABEL not in names:
        raise InputError(f"pairs: there are no labels; give y, or a column {LABEL} next to text_a and text_b")
    label_column = _column(pairs, LABEL) if labels is None else _plain(labels)
    if groups is None and GROUP not in names:
        group_column: Sequence[Any] = [None] * len(texts)
    else:
        group_column = _column(pairs, GROUP) if groups is None else _plain(groups)
    _check_lengths(pairs=texts, labels=label_column, groups=group_column)
    return [
        LabelledRow(place(number), *pair, _label(label), _group(group))
        for number, (pair, label, group) in enumerate(zip(texts, label_column, group_column, strict=True))
    ]


def place(number: int) -> str:
    """Returns how messages name a row."""
    return f"pairs: row {number}"


def _names(pairs: Table) -> list[str] | None:
    """Returns the names of the columns; ``None`` if there are no columns."""
    if isinstance(pairs, Mapping):
        return list(pairs)
    names = getattr(pairs, "column_names", None)  # Hugging Face
    names = getattr(pairs, "columns", None) if names is None else names  # data frames
    return None if names is None else list(names)


def _column(table: Table, name: str) -> list[Any]:
    names = _names(table) or []
    if name not in names:
        raise InputError(f"pairs: has the columns {quoted(names)}, but no column {name}; give {_SHAPES}")
    return _plain(table[name])


def _unzipped(pairs: Iterable[Any]) -> list[list[Any]]:
    """Returns the column of A and that of B."""
    if not isinstance(pairs, Iterable):
        raise InputError(f"pairs: is {quoted(pairs)}; give {_SHAPES}")
    columns: list[list[Any]] = [[], []]
    for number, pair in enumerate(pairs):
        values = [pair] if isinstance(pair, (str, Mapping)) or not hasattr(pair, "__len__") else _plain(pair)
        if len(values) != len(columns):
            raise InputError(f"{place(number)}: is {quoted(pair)}; give {_SHAPES}")
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    return columns


def _plain(values: Iterable[Any]) -> list[Any]:
    """Returns the values as Python's own types."""
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _label(value: object) -> object:
    """Returns 1 for 1.0, as scikit-learn's own arrays of labels may have it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _group(value: object) -> object:
    """Returns a number as a name; None and other types stay as they are."""
    return str(value) if isinstance(value, int) else value


def _check_lengths(**columns: Sequence[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{count:,} {name}" for name, count in lengths.items())
        raise InputError(f"pairs: there are {counts}; give one value for each pair")
