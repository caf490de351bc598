"""All baselines on one split: the trivial ones, and the frozen encoder's vectors, classified and by cosine."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from checkpoints_tools.common.cli import say, with_new_names
from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, join
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import BaselineConfig
from keras_negaposi.config.heads import JOINT
from keras_negaposi.config.saved import absolute
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.bootstrap import Interval, Predictions, accuracy, document_weights, interval
from keras_negaposi.evaluation.figures_folder import check_only
from keras_negaposi.evaluation.figures_json import write_figures
from keras_negaposi.evaluation.frozen_encoder import centred_cosines, pair_features, text_vectors
from keras_negaposi.evaluation.text_baselines import TRIVIAL, Texts, fit_and_score, labels_of
from keras_negaposi.input_pipeline.prepared_data import Inputs, read_inputs
from keras_negaposi.modeling.pretrained import Pretrained, read_pretrained
from keras_negaposi.runtime.folder_lock import locked

METRICS, VECTORS = "baseline_metrics.json", "vectors.npz"
NOT_COMPARED = ("output_dir", "embedding_cache", "encode_batch_size", "precision")
"""Options that do not make them figures of something else."""
FROZEN, FROZEN_COSINE = "frozen encoder", "frozen cosine"


@dataclasses.dataclass(frozen=True)
class BaselineScores:
    """What the baselines say of the test pairs.

    Attributes:
        probabilities: by baseline, ``float64 [test pairs]``.
        frozen_features: of the training and the test pairs, ``float32 [pairs, features]``, for a control.
    """

    probabilities: dict[str, np.ndarray]
    frozen_features: tuple[np.ndarray, np.ndarray]


def score_baselines(
    config: BaselineConfig,
    pretrained: Pretrained,
    texts: Texts,
    train: Sequence[Pair],
    test: Sequence[Pair],
    vectors_path: str,
) -> BaselineScores:
    """Trains every baseline on the training pairs and scores the test pairs.

    Args:
        config: of the frozen encoder.
        pretrained: the encoder before any training on pairs.
        texts: by title.
        train: pairs to learn from.
        test: pairs to score.
        vectors_path: file that keeps the texts' vectors.
    """
    used = [texts[title] for pair in [*train, *test] for title in (pair.a, pair.b)]
    vectors = text_vectors(config, pretrained, used, vectors_path)
    features = tuple(pair_features(vectors, texts, pairs, config.pooling) for pairs in (train, test))
    cosines = tuple(centred_cosines(vectors, texts, train, pairs, "mean") for pairs in (train, test))
    scored = {name: score(texts, train, test) for name, score in TRIVIAL.items()}
    probabilities = {name: found for name, found in scored.items() if found is not None}
    probabilities[FROZEN] = fit_and_score(*features, labels_of(train))
    probabilities[FROZEN_COSINE] = fit_and_score(*cosines, labels_of(train))
    return BaselineScores(probabilities, features)


def run(config: BaselineConfig) -> dict[str, Interval]:
    """The command: accuracy of every baseline on the split's test pairs, written and told.

    Raises:
        InputError: something the user gave cannot be used; nothing has been written then.
    """
    folder = str(config.output_dir)
    check_free(folder, config)
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer, JOINT)
    with locked(folder):
        check_free(folder, config)  # again: another process may have written there
        return _run(config, pretrained, inputs, folder)


def _run(config: BaselineConfig, pretrained: Pretrained, inputs: Inputs, folder: str) -> dict[str, Interval]:
    train, test = inputs.split.parts["train"], inputs.split.parts["test"]
    path = config.embedding_cache or join(folder, VECTORS)
    scores = score_baselines(config, pretrained, inputs.data.texts, train, test, path)
    weights = document_weights(documents_of(test, config.group_pattern), config.seed)
    labels = labels_of(test)
    accuracies = {
        name: interval(Predictions(labels, probabilities), weights, accuracy)
        for name, probabilities in scores.probabilities.items()
    }
    figures = {name: dataclasses.asdict(found) for name, found in accuracies.items()}
    values = {"pairs": len(test), "accuracy": figures, "config": absolute(dataclasses.asdict(config))}
    write_figures(join(folder, METRICS), values)
    say(f"\naccuracy on {len(test):,} test pairs, with 95 % intervals over documents")
    for name, found in accuracies.items():
        say(f"{name:<18}{found.percent()}")
    return accuracies


@dataclasses.dataclass(frozen=True)
class _Metrics:
    """What is read of ``baseline_metrics.json``."""

    config: dict[str, Any]


def check_free(folder: str, config: BaselineConfig) -> None:
    """Refuses a folder that holds something else than figures of the same options.

    Raises:
        InputError: names what is there.
    """
    check_only(folder, (METRICS, VECTORS))
    path = join(folder, METRICS)
    if not exists(path):
        return
    saved = read_as(_Metrics, path, "remove it if it is not needed, or give a new --output_dir").config
    before = absolute(with_new_names(BaselineConfig, saved))
    for name, value in absolute(dataclasses.asdict(config)).items():
        if name not in NOT_COMPARED and name in before and before[name] != value:
            raise InputError(
                f"--output_dir {folder}: holds the figures of --{name} {quoted(before[name])}; give a new folder "
                f"(--embedding_cache {join(folder, VECTORS)} takes the vectors over)"
            )
