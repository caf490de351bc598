"""Evaluates a finished run's exported model on another file of labelled pairs, or on its test pairs in int8."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from msgspec import Meta

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_text
from checkpoints_tools.common.progress import Ticker
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config import EvaluateConfig, TrainConfig
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import PairData
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.bootstrap import document_weights, intervals
from keras_negaposi.evaluation.figures_folder import About, check_free, claim, default_folder
from keras_negaposi.evaluation.metrics import SEED, Evaluation, Scores, evaluate, write_evaluation
from keras_negaposi.evaluation.same_inputs import check_same_inputs, check_titles
from keras_negaposi.evaluation.score_table import scores_table
from keras_negaposi.readers.pair_source import read_source
from keras_negaposi.runtime.folder_lock import locked
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished, saved_options
from keras_negaposi.serving.calibration import saved_calibration


@dataclasses.dataclass(frozen=True)
class _Metrics:
    """The keys of ``metrics.json`` that `read_step` needs."""

    global_step: Annotated[int, Meta(ge=0)]


def evaluate_pairs(run: str, config: EvaluateConfig) -> Evaluation:
    """Scores labelled pairs, from a file or the run's own test pairs, with the model that the run exported.

    Raises:
        InputError: the run is not finished, a file cannot be used, or the output folder contains other results.
    """
    # 1. Read and check everything.
    options = saved_options(run)
    check_finished(run)
    about = About.of(run, config, config.precision)
    folder = RunFolder(config.output_dir or default_folder(about))
    check_free(folder.path, about)
    step = read_step(RunFolder(run))
    threshold = saved_calibration(RunFolder(run)).decision_threshold
    data = read_source(config) if config.negaposi or config.pairs else _test_pairs(run, options)
    say(f"data: {data.describe()}")

    # 2. Score the pairs and compute the metrics.
    from keras_negaposi.serving.scorer import Scorer

    texts = ((data.texts[pair.a], data.texts[pair.b]) for pair in data.pairs)
    tick = Ticker("scoring the pairs", len(data.pairs))
    streamed = Scorer(run, config.precision).stream(texts, config.eval_batch_size)
    probabilities = np.array([probability for probability, _ in tick.watch(streamed)], np.float32)
    labels = np.array([pair.label for pair in data.pairs], np.int32)
    scores = Scores(labels, probabilities, threshold, config.eval_batch_size)
    evaluation = evaluate(scores, step)
    figures = intervals(scores, document_weights(documents_of(data.pairs, options.group_pattern), SEED))

    # 3. Write the results.
    with locked(folder.path):
        check_free(folder.path, about)  # again: another process may have written there since
        claim(folder.path, about)
        write_text(folder.scores("test"), scores_table(data.pairs, scores))
        more: dict[str, object] = {"figures": {name: dataclasses.asdict(figure) for name, figure in figures.items()}}
        write_evaluation(folder, {"test": evaluation}, more)
    say(f"accuracy {figures['accuracy'].percent()}; results in {folder.path}")
    return evaluation


def read_step(folder: RunFolder) -> int:
    """Reads the last training step of a finished run.

    Raises:
        InputError: its ``metrics.json`` is damaged.
    """
    return read_as(_Metrics, folder.metrics, "continue the run with --resume to recreate the file").global_step


def _test_pairs(run: str, options: TrainConfig) -> PairData:
    """Reads the test pairs of a run and their texts, after checking that they are unchanged."""
    check_same_inputs(run, options)
    texts = read_source(options).texts
    parts = read_split(RunFolder(run).split)
    check_titles(parts, texts, RunFolder(run).split)
    if "test" not in parts:
        raise InputError(f"{run}: has no test part (--test_share 0); give other labelled pairs as --pairs")
    return PairData(texts, parts["test"], repeated=0)
