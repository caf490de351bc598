"""Distillation: a finished run predicts probabilities for the labelled pairs and for additional unlabelled pairs.

Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531) and Augmented SBERT (Thakur et al. 2020, arXiv
2010.08240): a cross-encoder, which sees both texts at once, scores pairs to train a bi-encoder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice, zip_longest

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, read_text, write_text
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.tables import read_rows, write_rows
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.adjacency import page_of
from keras_negaposi.data.pairs import Pair, Pairs
from keras_negaposi.data.splits import read_split
from keras_negaposi.data.tfidf_index import TfidfIndex
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs, fingerprint_of_run
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished
from keras_negaposi.serving.scorer import Scorer

FREE_PAGES = "that are in no dev or test pair"
NEIGHBOURS = 20
"""The B of an unlabelled pair is chosen from this many pages most similar to A."""


def check_teacher(inputs: Inputs, config: TrainConfig) -> None:
    """Checks that the teacher was not trained on dev or test pairs of this run.

    Raises:
        InputError: it was, or the folder is not a finished run.
    """
    if not config.teacher:
        return
    check_finished(config.teacher, "--teacher ")
    taught = {(pair.a, pair.b) for pair in read_split(RunFolder(config.teacher).split)["train"]}
    held_out = inputs.split.held_out
    known = sum((pair.a, pair.b) in taught for pair in held_out)
    if known:
        raise InputError(
            f"--teacher {config.teacher}: trained on {known:,} of the {len(held_out):,} dev and test pairs; "
            "train the teacher with the same --split, --seed, --test_share and --dev_share"
        )


def add_unlabelled(inputs: Inputs, config: TrainConfig) -> Inputs:
    """Adds ``config.distill_pairs`` unlabelled pairs to the inputs, as the part `prepared_data.UNLABELLED`.

    They contain no page of a dev or test pair; with a grouped split, no page of such a page's document.

    Raises:
        InputError: there is no teacher, or no pair is left.
    """
    if not config.distill_pairs:
        return inputs
    if not config.teacher:
        raise InputError(
            f"--distill_pairs {config.distill_pairs}: needs a teacher to score these pairs; give a finished run as "
            "--teacher"
        )
    texts = inputs.data.texts
    pages = {title: texts[title] for title in inputs.split.free_titles(texts, config.split, config.group_pattern)}
    labelled = [*inputs.data.pairs, *inputs.split.parts["train"]]
    known = {(page_of(pair.a), page_of(pair.b)) for pair in labelled}
    pairs = draw_neighbours(pages, known, config.distill_pairs, config.seed)
    say(f"{len(pairs):,} unlabelled pairs for the teacher, chosen from {len(pages):,} pages {FREE_PAGES}")
    split = dataclasses.replace(inputs.split, parts=inputs.split.parts | {UNLABELLED: Pairs.of(pairs)})
    return dataclasses.replace(inputs, split=split, fingerprint=fingerprint_of_run(inputs.fingerprint, config))


def draw_neighbours(pages: Mapping[str, str], known: set[tuple[str, str]], count: int, seed: int) -> list[Pair]:
    """Returns pairs of a random A and a B from the pages most similar to it (TF-IDF), with label 0; none is ``known``.

    No page is the A of two pairs before every page is the A of one.

    Raises:
        InputError: there are none.
    """
    titles = sorted(pages)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(titles))
    index = TfidfIndex((pages[title] for title in titles), len(titles))
    # 1. One pair for each A, until there are enough.
    pairs: list[tuple[str, str]] = []
    waiting: list[list[tuple[str, str]]] = []
    for row, (others, _) in zip(order, index.nearest(order, "choosing pairs for the teacher"), strict=True):
        if len(pairs) == count:
            break
        candidates = [(titles[row], titles[other]) for other in rng.permutation(others[:NEIGHBOURS])]
        new = [pair for pair in candidates if pair not in known]
        pairs += new[:1]
        waiting.append(new[1:])
    # 2. Further rounds: a second pair for each A, then a third one, and so on.
    rounds = (pair for pairs_of_round in zip_longest(*waiting) for pair in pairs_of_round if pair)
    pairs += islice(rounds, count - len(pairs))
    if len(pairs) < count:
        few = (
            f"--distill_pairs {count}: the {len(titles):,} pages {FREE_PAGES} make {len(pairs):,} pairs with their "
            f"{NEIGHBOURS} most similar pages"
        )
        if not pairs:
            raise InputError(f"{few}; leave it out")
        say(f"{few}; all of them are used")
    return [Pair(a, b, 0) for a, b in pairs]


def soft_targets(inputs: Inputs, config: TrainConfig, path: str) -> np.ndarray | None:
    """Returns the training targets, ``float32 [pairs, 2]`` in the order of the records; ``None`` without a teacher.

    The target is the label, weighted by ``1 - config.teacher_weight``, plus the teacher's probabilities, weighted by
    ``config.teacher_weight``; for an unlabelled pair it is the teacher's probabilities alone. Cross-entropy is linear
    in the target, so this equals the weighted sum of both losses.

    Args:
        inputs: contain the parts ``train`` and `prepared_data.UNLABELLED`.
        config: names the teacher.
        path: file that stores the teacher's probabilities for a resumed run.

    Raises:
        InputError: the teacher cannot be used.
    """
    if not config.teacher:
        return None
    labelled: Sequence[Pair] = inputs.split.parts.get("train", [])
    unlabelled: Sequence[Pair] = inputs.split.parts.get(UNLABELLED, [])
    predicted = _predict(inputs, config.teacher, [*labelled, *unlabelled], config.eval_batch_size, path)
    weight = np.r_[np.full(len(labelled), config.teacher_weight), np.ones(len(unlabelled))]
    labels = np.array([pair.label for pair in [*labelled, *unlabelled]])
    positive = (1.0 - weight) * labels + weight * predicted
    return np.stack([1.0 - positive, positive], axis=1).astype(np.float32)


def _predict(inputs: Inputs, teacher: str, pairs: Sequence[Pair], batch_size: int, path: str) -> np.ndarray:
    """Returns the teacher's probabilities that B comes next, ``float64 [pairs]``; reads them from ``path`` if valid."""
    if exists(path):
        predicted = read_predicted(path)
        if predicted is not None and len(predicted) == len(pairs):
            return predicted
        say(f"{path}: damaged, or written for other pairs; scoring the pairs again")
    say(f"the teacher {teacher} scores {len(pairs):,} pairs")
    texts = inputs.data.texts
    tick = Ticker("the teacher scores", len(pairs))
    texts_of_pairs = ((texts[pair.a], texts[pair.b]) for pair in pairs)
    streamed = Scorer(teacher).stream(texts_of_pairs, batch_size)
    predicted = np.array([probability for probability, _ in tick.watch(streamed)])
    write_text(path, write_rows([f"{probability:.9g}"] for probability in predicted))
    return predicted


def read_predicted(path: str) -> np.ndarray | None:
    """Reads the probabilities in a ``teacher.txt``, ``float64 [pairs]``; returns ``None`` if the file is damaged."""
    try:
        text = read_text(path)
        predicted = np.array([float(cell) for (cell,) in read_rows(text)])
    except (InputError, ValueError):
        return None
    return predicted if text.endswith("\n") and ((predicted >= 0.0) & (predicted <= 1.0)).all() else None
