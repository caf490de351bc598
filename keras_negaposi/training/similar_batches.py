"""Batches of pairs from similar documents, so that the other pages of a batch are hard negatives.

Topic-aware sampling (Hofstaetter et al. 2021, arXiv 2104.06967), with the nearest documents in place of clusters.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from keras_negaposi.config import TrainConfig
from keras_negaposi.config.losses import BINARY
from keras_negaposi.data.documents import Documents, documents_of, numbered
from keras_negaposi.data.hard_negatives import nearest_documents
from keras_negaposi.data.pairs import Pair
from keras_negaposi.input_pipeline.datasets import ChosenBatches
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs

DOCUMENTS_PER_BATCH = 8
"""As far as they have enough pairs."""


def choose_batches(inputs: Inputs, config: TrainConfig, total_steps: int) -> ChosenBatches | None:
    """Chooses all batches of a run with the in-batch loss; ``None`` if its loss is binary.

    Similarity is that of the training pairs' own texts; no label and no page of another part is looked at.
    """
    if config.loss == BINARY:
        return None
    parts = inputs.split.parts
    pairs: list[Pair] = [*parts["train"], *parts.get(UNLABELLED, [])]
    of_pairs = documents_of(pairs, config.group_pattern)
    texts = {title: inputs.data.texts[title] for pair in pairs for title in (pair.a, pair.b)}
    near = nearest_documents({a for a, _ in of_pairs}, texts, Documents(config.group_pattern))
    batches = similar_batches([a for a, _ in of_pairs], near, config.train_batch_size, config.seed)
    rows = np.array(list(itertools.islice(batches, total_steps)), np.int64)
    return ChosenBatches(rows, numbered(of_pairs))


def similar_batches(
    documents: Sequence[str], near: Mapping[str, Sequence[str]], batch_size: int, seed: int
) -> Iterator[list[int]]:
    """Yields endless batches of rows; in every pass each row occurs once, and a batch may span two passes.

    A batch starts with rows of a random document and goes on with those of its nearest documents, a few of each, and,
    if these do not suffice, of random ones.

    Args:
        documents: the document of each row.
        near: the nearest documents of each document, the most similar first.
        batch_size: rows per batch.
        seed: of the order.
    """
    rng = np.random.default_rng(seed)
    few = max(1, batch_size // DOCUMENTS_PER_BATCH)
    batch: list[int] = []
    while True:
        left: dict[str, list[int]] = {}
        for row in rng.permutation(len(documents)).tolist():
            left.setdefault(documents[row], []).append(row)
        order = [list(left)[i] for i in rng.permutation(len(left))]
        while left:
            if order[-1] not in left:
                order.pop()
                continue
            for name in itertools.chain(order[-1:], near[order[-1]], reversed(order)):
                rows = left.get(name, [])
                for _ in range(min(few, len(rows), batch_size - len(batch))):
                    batch.append(rows.pop())
                if not rows:
                    left.pop(name, None)
                if len(batch) == batch_size:
                    yield batch
                    batch = []
                    break
