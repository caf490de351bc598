"""A finished run teaches another head: its probabilities beside the labels, and on pairs that nobody has labelled.

Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531) and Augmented SBERT (Thakur et al. 2020, 2010.08240): a
model that sees both texts at once scores pairs for one that does not.
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

NEIGHBOURS = 20
"""The B of an unlabelled pair is one of so many pages most like A."""


def check_teacher(inputs: Inputs, config: TrainConfig) -> None:
    """Refuses a teacher that knows the answers of the test.

    Raises:
        InputError: it is no finished run, or was trained on pairs that are to be tested on.
    """
    if not config.teacher:
        return
    check_finished(config.teacher, "--teacher ")
    taught = {(pair.a, pair.b) for pair in read_split(RunFolder(config.teacher).split)["train"]}
    held_out = inputs.split.held_out
    known = sum((pair.a, pair.b) in taught for pair in held_out)
    if known:
        raise InputError(
            f"--teacher {config.teacher}: trained on {known:,} of the {len(held_out):,} pairs to be tested on; train "
            "it with the same --split, --seed and shares"
        )


def add_unlabelled(inputs: Inputs, config: TrainConfig) -> Inputs:
    """Adds ``config.distill_pairs`` pairs for the teacher alone to the inputs, as the part `inputs.UNLABELLED`.

    No page of a pair to be tested on is in them, and with a grouped split none of such a page's document.

    Raises:
        InputError: there is no teacher, or too few pages are left.
    """
    if not config.distill_pairs:
        return inputs
    if not config.teacher:
        raise InputError(
            f"--distill_pairs {config.distill_pairs}: nobody would label these pairs; give a finished run as --teacher"
        )
    texts = inputs.data.texts
    pages = {title: texts[title] for title in inputs.split.free_titles(texts, config.split, config.group_pattern)}
    labelled = [*inputs.data.pairs, *inputs.split.parts["train"]]
    known = {(page_of(pair.a), page_of(pair.b)) for pair in labelled}
    pairs = draw_neighbours(pages, known, config.distill_pairs, config.seed)
    free = f"{len(pages):,} pages that are in no pair to be tested on"
    say(f"{len(pairs):,} pairs for the teacher alone, chosen from {free}")
    split = dataclasses.replace(inputs.split, parts=inputs.split.parts | {UNLABELLED: Pairs.of(pairs)})
    return dataclasses.replace(inputs, split=split, fingerprint=fingerprint_of_run(inputs.fingerprint, config))


def draw_neighbours(pages: Mapping[str, str], known: set[tuple[str, str]], count: int, seed: int) -> list[Pair]:
    """Pairs of an A chosen at random and a B among the pages most like it (TF-IDF), label 0, none of them ``known``.

    A page is A once before any is A twice.

    Raises:
        InputError: there are not so many.
    """
    titles = sorted(pages)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(titles))
    index = TfidfIndex((pages[title] for title in titles), len(titles))
    pairs: list[tuple[str, str]] = []
    waiting: list[list[tuple[str, str]]] = []
    for row, (others, _) in zip(order, index.nearest(order, "choosing pairs for the teacher"), strict=True):
        if len(pairs) == count:
            break
        found = [(titles[row], titles[other]) for other in rng.permutation(others[:NEIGHBOURS])]
        found = [pair for pair in found if pair not in known]
        pairs += found[:1]
        waiting.append(found[1:])
    rounds = (pair for pairs_of_round in zip_longest(*waiting) for pair in pairs_of_round if pair)
    pairs += islice(rounds, count - len(pairs))
    if len(pairs) < count:
        raise InputError(
            f"--distill_pairs {count}: the {len(titles):,} pages that are in no pair to be tested on make "
            f"{len(pairs):,} pairs with the {NEIGHBOURS} pages most like each; give at most that"
        )
    return [Pair(a, b, 0) for a, b in pairs]


def soft_targets(inputs: Inputs, config: TrainConfig, path: str) -> np.ndarray | None:
    """What the training aims at, ``float32 [pairs, 2]``, in the order of the records; ``None`` without a teacher.

    The label has the weight ``1 - config.teacher_weight``, the teacher's probabilities the rest; of an unlabelled pair
    they have all. Cross-entropy is linear in the target, so this is the weighted sum of both losses.

    Args:
        inputs: whose ``train`` and `inputs.UNLABELLED` parts are taught.
        config: names the teacher.
        path: where the teacher's probabilities are kept for a resumed run.

    Raises:
        InputError: the teacher cannot be used.
    """
    if not config.teacher:
        return None
    labelled, unlabelled = (inputs.split.parts.get(part, []) for part in ("train", UNLABELLED))
    predicted = _teacher_says(inputs, config, [*labelled, *unlabelled], path)
    weight = np.r_[np.full(len(labelled), config.teacher_weight), np.ones(len(unlabelled))]
    labels = np.array([pair.label for pair in [*labelled, *unlabelled]])
    positive = (1.0 - weight) * labels + weight * predicted
    return np.stack([1.0 - positive, positive], axis=1).astype(np.float32)


def _teacher_says(inputs: Inputs, config: TrainConfig, pairs: Sequence[Pair], path: str) -> np.ndarray:
    """Probability that B comes next, ``float64 [pairs]``."""
    if exists(path):
        predicted = read_predicted(path)
        if predicted is not None and len(predicted) == len(pairs):
            return predicted
        say(f"{path}: damaged, or of other pairs; rebuilt")
    say(f"the teacher {config.teacher} scores {len(pairs):,} pairs")
    texts = inputs.data.texts
    tick = Ticker("the teacher scores", len(pairs))
    texts_of_pairs = ((texts[pair.a], texts[pair.b]) for pair in pairs)
    streamed = Scorer(config.teacher).stream(texts_of_pairs, config.eval_batch_size)
    predicted = np.array([probability for probability, _ in tick.watch(streamed)])
    write_text(path, write_rows([f"{probability:.9g}"] for probability in predicted))
    return predicted


def read_predicted(path: str) -> np.ndarray | None:
    """The probabilities in a ``teacher.txt``, ``float64 [pairs]``; ``None`` if the file is damaged."""
    try:
        text = read_text(path)
        predicted = np.array([float(cell) for (cell,) in read_rows(text)])
    except (InputError, ValueError):
        return None
    return predicted if text.endswith("\n") and ((predicted >= 0.0) & (predicted <= 1.0)).all() else None
