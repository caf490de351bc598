"""Labelled pairs of texts without titles, as in the rows of a table: gives every text a title."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.json_text import check_text
from keras_negaposi.data.pairs import Pair, PairData, Pairs, parse_label
from keras_negaposi.readers.columns import GROUP, GROUPED_COLUMNS, PAIR_COLUMNS, Columns, Wanted
from keras_negaposi.readers.table import read_rows


@dataclasses.dataclass(frozen=True)
class LabelledRow:
    """A labelled pair of texts; the values are not checked yet.

    Attributes:
        place: names the row in error messages, for example ``pairs.csv: line 3``.
        text_a: text of A.
        text_b: text of B.
        label: 1 if B comes next after A, else 0; also as a string.
        group: the document that both texts belong to; ``None`` where no row has one.
    """

    place: str
    text_a: object
    text_b: object
    label: object
    group: object = None


def text_title(text: str, group: str | None = None) -> str:
    """Returns a title for a text without one.

    It is 128 bits of the text's SHA-256, so that different texts get different titles. With a group it is
    ``group,hash``, in which the default of ``--group_pattern`` finds the group.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return digest if group is None else f"{group},{digest}"


def read_pair_table(path: str, columns: Columns = ()) -> PairData:
    """Reads a table of labelled pairs.

    Args:
        path: path of the table.
        columns: the user's names of text_a, text_b, label and, if there is one, group. Without them these are the
            names, and there are groups if there is a column of that name.

    Raises:
        InputError: as `read_rows` and `titled_pairs`, or there are not pairs of both classes.
    """
    kind = GROUPED_COLUMNS if len(columns) == len(GROUPED_COLUMNS) else PAIR_COLUMNS
    rows = read_rows(path, Wanted((kind,), columns, flag=True))
    data = titled_pairs(
        LabelledRow(place, row["text_a"], row["text_b"], row["label"], row.get(GROUP)) for place, row in rows
    )
    data.check_classes(path)
    return data


def titled_pairs(rows: Iterable[LabelledRow]) -> PairData:
    """Returns the pairs and their texts, each under its `text_title`. A text in two groups gets two titles.

    Whether there are pairs, and of both classes, is not checked: see `PairData.check_classes`.

    Raises:
        InputError: a text or group is no string, a group is empty, a label is not 0 or 1, or a row contradicts an
            earlier row; names the row.
    """
    texts: dict[str, str] = {}
    pairs, repeated = add_pairs(rows, texts, texts.__setitem__)
    return PairData(texts, pairs, repeated)


def add_pairs(
    rows: Iterable[LabelledRow], texts: Mapping[str, str], add: Callable[[str, str], object]
) -> tuple[Pairs, int]:
    """Does the work of `titled_pairs` for texts that need not be in memory.

    Args:
        rows: labelled pairs.
        texts: title -> text of the rows so far.
        add: adds a title and a text to ``texts``.

    Returns:
        Each pair once, in the order of the rows, and the number of repeated pairs.

    Raises:
        InputError: as `titled_pairs`.
    """
    pairs: dict[Pair, None] = {}
    labels: dict[tuple[str, ...], int] = {}
    number, grouped = 0, False
    for number, row in enumerate(rows, 1):
        label = parse_label(row.label, row.place)
        group = _checked_group(row)
        if number > 1 and (group is not None) != grouped:
            raise InputError(f"{row.place}: every row, or none, must have a group; give all of them one")
        grouped = group is not None
        titles = [_add_text(row, name, group, texts, add) for name in ("text_a", "text_b")]
        pairs[Pair(titles[0], titles[1], label)] = None
        # The texts are compared without their groups, which no model sees
        hashes = tuple(title.rpartition(",")[2] for title in titles)
        if labels.setdefault(hashes, label) != label:
            raise InputError(f"{row.place}: the same two texts have the other label above; keep one of the two rows")
    return Pairs.of(pairs), number - len(pairs)


def _add_text(
    row: LabelledRow, name: str, group: str | None, texts: Mapping[str, str], add: Callable[[str, str], object]
) -> str:
    """Adds a text of the row unless it is known, and returns its title."""
    text = _checked_string(row, name)
    title = text_title(text, group)
    known = texts.get(title)
    if known is None:
        add(title, text)
    elif known != text:
        raise InputError(f"{row.place}: {name} has the title {title}, like a different text above; change the text")
    return title


def _checked_group(row: LabelledRow) -> str | None:
    """Returns the row's group, or ``None``.

    Raises:
        InputError: the group is empty or no string.
    """
    if row.group is None:
        return None
    group = _checked_string(row, GROUP)
    if not group.strip():
        raise InputError(f"{row.place}: the group is empty; give the name of the document that the two texts are from")
    return group


def _checked_string(row: LabelledRow, name: str) -> str:
    value = getattr(row, name)
    if not isinstance(value, str):
        raise InputError(f"{row.place}: {name} must be a string, not {quoted(value)}")
    check_text(value, f"{row.place}: {name}")
    return value
