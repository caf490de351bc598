"""All baselines on one split: those on the texts alone, and three on embeddings of the pre-trained encoder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from checkpoints_tools.common.cli import say, with_new_names
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import BaselineConfig, TrainConfig
from keras_negaposi.config.data import ALL
from keras_negaposi.config.heads import JOINT
from keras_negaposi.config.saved import absolute
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.baseline_comparison import (
    EMBEDDING_COSINE,
    FROZEN_LEXICAL,
    LEXICAL,
    LINEAR_PROBE,
    display_name,
)
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, document_weights, interval
from keras_negaposi.evaluation.embedding_cache import centred_cosines, pair_features, text_vectors
from keras_negaposi.evaluation.figures_folder import check_only
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.evaluation.text_baselines import TRIVIAL, Texts, fit_and_score, labels_of, score_lexical
from keras_negaposi.input_pipeline.prepared_data import Inputs, read_inputs
from keras_negaposi.lexical.model import INVERSE_REGULARIZATION, LexicalModel
from keras_negaposi.modeling.pretrained import Pretrained, read_pretrained
from keras_negaposi.runtime.folder_lock import locked

METRICS, VECTORS = "baseline_metrics.json", "vectors.npz"
NOT_COMPARED = ("output_dir", "embedding_cache", "encode_batch_size", "precision")
"""Options that a repeated call may change: the results still are those of the same baselines on the same data."""


@dataclasses.dataclass(frozen=True)
class BaselineScores:
    """The baselines' predictions for the test pairs.

    Attributes:
        probabilities: by the baseline's key, ``float64 [test pairs]``.
        probe_features: the linear probe's features of the training pairs in `embedded_rows` and of the test pairs,
            ``float32 [pairs, features]``; a control trains on them again.
        probe_labels: the labels of those training pairs, ``int [pairs]``.
        lexical_model: the model of the lexical features, fitted to all training pairs.
    """

    probabilities: dict[str, np.ndarray]
    probe_features: tuple[np.ndarray, np.ndarray]
    probe_labels: np.ndarray
    lexical_model: LexicalModel


def score_baselines(
    config: BaselineConfig,
    pretrained: Pretrained,
    texts: Texts,
    train: Sequence[Pair],
    test: Sequence[Pair],
    vectors_path: str,
    lexical_model: LexicalModel | None = None,
) -> BaselineScores:
    """Trains every baseline on the training pairs and scores the test pairs.

    Args:
        config: options of the pre-trained encoder.
        pretrained: the encoder, not fine-tuned on pairs.
        texts: by title.
        train: pairs to train on.
        test: pairs to score.
        vectors_path: file in which the texts' embeddings are stored.
        lexical_model: the model of the lexical features, if it has been fitted to the same texts and training pairs.
    """
    # 1. On the texts alone.
    probabilities = {name: score(texts, train, test) for name, score in TRIVIAL.items() if name != LEXICAL}
    rows = embedded_rows(config, train)
    lexical = score_lexical(texts, train, test, rows, lexical_model)
    probabilities[LEXICAL] = lexical.probabilities
    # 2. On embeddings.
    some = [train[row] for row in rows]
    labels = labels_of(some)
    used = [texts[title] for pair in [*some, *test] for title in (pair.a, pair.b)]
    vectors = text_vectors(config, pretrained, used, vectors_path)
    train_features, test_features = (pair_features(vectors, texts, part, config.pooling) for part in (some, test))
    probabilities[LINEAR_PROBE] = fit_and_score(train_features, test_features, labels)
    train_cosines, test_cosines = (centred_cosines(vectors, texts, some, part, "mean") for part in (some, test))
    probabilities[EMBEDDING_COSINE] = fit_and_score(train_cosines, test_cosines, labels)
    # 3. On both: what a hybrid knows, without fine-tuning.
    probabilities[FROZEN_LEXICAL] = fit_and_score(
        np.hstack([lexical.train_features, train_cosines]),
        np.hstack([lexical.test_features, test_cosines]),
        labels,
        INVERSE_REGULARIZATION,
    )
    return BaselineScores(probabilities, (train_features, test_features), labels, lexical.model)


def embedded_rows(config: BaselineConfig | TrainConfig, train: Sequence[Pair]) -> np.ndarray:
    """Draws the training pairs whose texts are encoded; returns their ascending numbers, ``int [pairs]``.

    Raises:
        InputError: all drawn pairs have the same label.
    """
    count = len(train) if config.embedded_pairs == ALL else min(int(config.embedded_pairs), len(train))
    rows = np.sort(np.random.default_rng(config.seed).choice(len(train), count, replace=False))
    if len({train[row].label for row in rows}) == 1:
        raise InputError(
            f"--embedded_pairs {config.embedded_pairs}: the {count} drawn pairs all have the same label; give more"
        )
    return rows


def run(config: BaselineConfig) -> dict[str, Interval]:
    """Runs the ``baseline`` command: writes and prints every baseline's accuracy on the split's test pairs.

    Raises:
        InputError: an input cannot be used; nothing has been written.
    """
    folder = str(config.output_dir)
    check_free(folder, config)
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer, JOINT)
    embedded_rows(config, inputs.split.parts["train"])  # rejects a draw that cannot be used
    with locked(folder):
        check_free(folder, config)  # again: another process may have written there since
        return _run(config, pretrained, inputs, folder)


def _run(config: BaselineConfig, pretrained: Pretrained, inputs: Inputs, folder: str) -> dict[str, Interval]:
    """Scores the baselines, writes their accuracies to the locked folder and prints them."""
    train, test = inputs.split.parts["train"], inputs.split.parts["test"]
    path = config.embedding_cache or join(folder, VECTORS)
    scores = score_baselines(config, pretrained, inputs.data.texts, train, test, path)
    weights = document_weights(documents_of(test, config.group_pattern), config.seed)
    labels = labels_of(test)
    accuracies = {
        name: interval(Predictions(labels, probabilities), weights, accuracy)
        for name, probabilities in scores.probabilities.items()
    }
    figures = {name: dataclasses.asdict(value) for name, value in accuracies.items()}
    values = {"pairs": len(test), "accuracy": figures, "config": absolute(dataclasses.asdict(config))}
    write_figures(join(folder, METRICS), values)
    say(f"\naccuracy on {len(test):,} test pairs, with 95 % confidence intervals (bootstrap over documents)")
    for name, value in accuracies.items():
        say(f"{display_name(name):<18}{value.percent()}")
    using_encoder = ", ".join(display_name(name) for name in (LINEAR_PROBE, EMBEDDING_COSINE, FROZEN_LEXICAL))
    say(f"{using_encoder}: fitted to {len(scores.probe_features[0]):,} of {len(train):,} training pairs")
    return accuracies


@dataclasses.dataclass(frozen=True)
class _Metrics:
    """The keys of ``baseline_metrics.json`` that `check_free` needs."""

    config: dict[str, Any]


def check_free(folder: str, config: BaselineConfig) -> None:
    """Checks that the folder is empty or contains results of the same options.

    Raises:
        InputError: it contains something else, which the message names.
    """
    check_only(folder, (METRICS, VECTORS))
    path = join(folder, METRICS)
    if not exists(path):
        return
    saved = read_as(_Metrics, path, "remove it if you do not need it, or use a new --output_dir").config
    before = absolute(with_new_names(BaselineConfig, saved))
    for name, value in absolute(dataclasses.asdict(config)).items():
        if name not in NOT_COMPARED and name in before and before[name] != value:
            raise InputError(
                f"--output_dir {folder}: contains results for --{name} {quoted(before[name])}; use a new folder "
                f"(--embedding_cache {join(folder, VECTORS)} reuses its embeddings)"
            )
