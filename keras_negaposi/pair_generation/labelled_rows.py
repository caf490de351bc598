"""Reads pairs that have labels already: the rows of a table with the columns text_a, text_b and label."""

from __future__ import annotations

import hashlib

from checkpoints_tools.common.errors import InputError
from keras_negaposi.data.pairs import Pair, parse_label
from keras_negaposi.pair_generation.generated_pairs import GeneratedPairs
from keras_negaposi.pair_generation.page_store import PageStore
from keras_negaposi.readers.table import read_rows


def text_title(text: str) -> str:
    """Returns a title for a text without one: 128 bits of its SHA-256, so that different texts get different titles."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_labelled_pairs(source: str, texts: PageStore) -> GeneratedPairs:
    """Reads the pairs and adds their texts to ``texts``, each under its `text_title`.

    Raises:
        InputError: a row is invalid, or contradicts an earlier row.
    """
    labels: dict[tuple[str, str], int] = {}
    repeated = 0
    for place, row in read_rows(source):
        titles = []
        for name in ("text_a", "text_b"):
            text = str(row[name])
            title = text_title(text)
            known = texts.get(title)
            if known is None:
                texts.add(title, text)
            elif known != text:
                raise InputError(f"{place}: {name} has the title {title}, like a different text above; change the text")
            titles.append(title)
        label = parse_label(row["label"], place)
        pair = (titles[0], titles[1])
        repeated += pair in labels
        if labels.setdefault(pair, label) != label:
            raise InputError(f"{place}: the same two texts have the other label above; keep one of the two rows")
    pairs = [Pair(a, b, label) for (a, b), label in labels.items()]
    summary = f"{len(pairs):,} labelled pairs of {len(texts):,} texts; {repeated:,} repeated pairs dropped."
    return GeneratedPairs(pairs, texts, [summary])
