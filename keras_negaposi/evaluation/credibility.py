"""Is it real? Everything that says how far a finished run's figures can be believed.

It needs the run's folder and nothing that only training has, so it is the same at the end of a training and later.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import join
from keras_negaposi.config import BaselineConfig, TrainConfig
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair, read_pairs
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.baselines import score_baselines
from keras_negaposi.evaluation.bootstrap import (
    Interval,
    McNemar,
    Predictions,
    accuracy,
    document_weights,
    interval,
    intervals,
    mcnemar,
)
from keras_negaposi.evaluation.controls import Degenerate, OrderSwapControl, degenerate, shuffled_labels, swap
from keras_negaposi.evaluation.leakage_audit import TrainOverlap, audit
from keras_negaposi.evaluation.metrics import SEED, Scores
from keras_negaposi.evaluation.ranking import Ranking, rank
from keras_negaposi.evaluation.same_inputs import check_same_checkpoint, check_same_inputs, check_titles
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.runtime.run_folder import RunFolder, check_single, saved_options
from keras_negaposi.serving.calibration import Calibration, saved_calibration
from keras_negaposi.serving.scorer import Scorer


@dataclasses.dataclass(frozen=True)
class BaselineComparison:
    """A baseline on the same test pairs, and the model against it (the model first)."""

    accuracy: Interval
    mcnemar: McNemar


@dataclasses.dataclass(frozen=True)
class Assessment:
    """What was found about the test part.

    Attributes:
        split: ``random`` or ``grouped``.
        pairs: number of test pairs.
        figures: by name of `uncertainty.METRICS`.
        baselines: by name.
        seen: by what was seen in training.
        shuffled: accuracy of the frozen baseline trained on shuffled labels.
        swapped: the answers for (B, A).
        degenerate: whether the scores say anything.
        ranking: ``None`` if it was not asked for.
        calibration: temperature and threshold, and what they were chosen on.
    """

    split: str
    pairs: int
    figures: dict[str, Interval]
    baselines: dict[str, BaselineComparison]
    seen: dict[str, TrainOverlap]
    shuffled: Interval
    swapped: OrderSwapControl
    degenerate: Degenerate
    ranking: Ranking | None
    calibration: Calibration


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder; `scores_by_part` has those of ``test`` and, if there is one, ``dev``."""

    folder: RunFolder
    config: TrainConfig
    texts: dict[str, str]
    train: list[Pair]
    test: list[Pair]
    scores_by_part: dict[str, Scores]
    calibration: Calibration

    @property
    def scores(self) -> Scores:
        """Of the test part."""
        return self.scores_by_part["test"]


def read_finished_run(path: str) -> FinishedRun:
    """Reads what a finished run left, and the texts that it was made from.

    Raises:
        InputError: the run is not finished, a file of it is damaged, or its data has moved or changed.
    """
    folder = RunFolder(path)
    config = saved_options(path)
    check_single(config)
    check_same_inputs(path, config)
    texts = read_pairs(config.honbun, config.negaposi).texts
    split = read_split(folder.split)
    check_titles(split, texts, folder.split)
    parts = {name: list(pairs) for name, pairs in split.items()}
    calibration = saved_calibration(folder)
    scores = {
        part: read_scores(folder.scores(part), parts[part], calibration.threshold, config.eval_batch_size)
        for part in ("test", "dev")
        if part == "test" or part in parts
    }
    return FinishedRun(folder, config, texts, parts["train"], parts["test"], scores, calibration)


def assess(run: FinishedRun) -> Assessment:
    """Computes all of it; the longest parts are the frozen encoder's vectors and the scores of (B, A)."""
    config, texts, test, scores = run.config, run.texts, run.test, run.scores
    say("assessing: baselines, leakage, controls")
    weights = document_weights(documents_of(test, config.group_pattern), SEED)
    baseline_config = _baseline_config(config)
    vectors = config.embedding_cache or join(run.folder.path, "vectors.npz")
    pretrained = read_pretrained(config)
    check_same_checkpoint(run.folder.path, pretrained)
    baselines = score_baselines(baseline_config, pretrained, texts, run.train, test, vectors)
    scorer = Scorer(run.folder.path)
    return Assessment(
        split=config.split,
        pairs=len(test),
        figures=intervals(scores, weights),
        baselines={name: _compare(scores, p, weights) for name, p in baselines.probabilities.items()},
        seen=audit(texts, run.train, test, config.group_pattern, scores, weights),
        shuffled=shuffled_labels(baselines.frozen_features, run.train, scores.labels, weights, SEED),
        swapped=swap(scorer, texts, test, scores, config.eval_batch_size),
        degenerate=degenerate(scores),
        ranking=rank(
            scorer,
            texts,
            test,
            config.group_pattern,
            config.rank_queries,
            config.rank_candidates,
            config.eval_batch_size,
            SEED,
        ),
        calibration=run.calibration,
    )


def _compare(scores: Scores, probabilities: np.ndarray, weights: np.ndarray) -> BaselineComparison:
    other = Predictions(scores.labels, probabilities)
    return BaselineComparison(interval(other, weights, accuracy), mcnemar(scores.correct, other.correct))


def _baseline_config(config: TrainConfig) -> BaselineConfig:
    shared = {field.name for field in dataclasses.fields(BaselineConfig)} - {"output_dir", "embedding_cache"}
    return BaselineConfig(**{name: value for name, value in dataclasses.asdict(config).items() if name in shared})
