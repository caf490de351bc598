"""Reads pairs that have labels already: the rows of a table with the columns text_a, text_b and label."""

from __future__ import annotations

from keras_negaposi.pair_generation.generated_pairs import GeneratedPairs
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.readers.labelled_rows import LabelledRow, add_pairs
from keras_negaposi.readers.table import read_rows


def read_labelled_pairs(source: str, texts: PageStore) -> GeneratedPairs:
    """Reads the pairs and adds their texts to ``texts``, each under its `text_title`.

    Raises:
        InputError: a row is invalid, or contradicts an earlier row.
    """
    rows = (LabelledRow(place, row["text_a"], row["text_b"], row["label"]) for place, row in read_rows(source))
    pairs, repeated = add_pairs(rows, texts, texts.add)
    summary = f"{len(pairs):,} labelled pairs of {len(texts):,} texts; {repeated:,} repeated pairs dropped."
    return GeneratedPairs(list(pairs), texts, [summary])
