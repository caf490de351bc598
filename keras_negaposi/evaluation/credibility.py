"""Credibility of a finished run's figures: intervals, baselines, leakage audit, controls and ranking.

It reads only the run's folder and its data, so it gives the same results at the end of a training and any time later.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.files import exists, join
from keras_negaposi.config import BaselineConfig, TrainConfig
from keras_negaposi.data.documents import documents_of
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.baseline_comparison import LEXICAL, MODEL_ALONE
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
    roc_auc,
)
from keras_negaposi.evaluation.controls import Degenerate, OrderSwapControl, degenerate, shuffled_labels, swap
from keras_negaposi.evaluation.coverage import Coverage, by_coverage
from keras_negaposi.evaluation.leakage_audit import TrainOverlap, audit
from keras_negaposi.evaluation.metrics import SEED, Scores
from keras_negaposi.evaluation.ranking import Ranking, RankingOptions, rank
from keras_negaposi.evaluation.same_inputs import check_same_checkpoint, check_same_inputs, check_titles
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.modeling.pretrained import read_pretrained
from keras_negaposi.readers.pair_source import read_source
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_single, saved_options
from keras_negaposi.serving.calibration import Calibration, saved_calibration
from keras_negaposi.serving.scorer import Scorer

HYBRID = "hybrid"
"""Key of all parts together in the ``contributions`` of ``metrics.json``; the others are those of the parts."""
PARTNER = "partner run"
"""Key of the partner run (``--ensemble``, ``--partner_head``)."""


@dataclasses.dataclass(frozen=True)
class BaselineComparison:
    """A baseline's accuracy on the same test pairs, and a test of the model (first) against it (second)."""

    accuracy: Interval
    mcnemar: McNemar


@dataclasses.dataclass(frozen=True)
class Contribution:
    """What one part of a hybrid reaches alone, or both together."""

    accuracy: Interval
    roc_auc: Interval


@dataclasses.dataclass(frozen=True)
class Assessment:
    """Everything that shows how far the figures of the test part can be trusted.

    The names of the fields are keys of ``metrics.json``.

    Attributes:
        split: ``random`` or ``grouped``.
        pairs: number of test pairs.
        figures: by the metric's name in `bootstrap.METRICS`.
        baselines: by the baseline's key.
        seen: overlap with training, by what overlaps; the keys are those of `leakage_audit.audit`.
        shuffled: accuracy of linear probes trained on shuffled labels.
        swapped: the predictions for (B, A).
        degenerate: whether the scores carry any information.
        ranking: ``None`` if it was not requested or is not possible.
        calibration: temperature and threshold, the part that they were chosen on, and the weights of a hybrid.
        contributions: of a hybrid: by `MODEL_ALONE`, `LEXICAL` and `HYBRID`; ``None`` for a model without lexical
            features.
        coverage: accuracy of the most confident predictions.
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
    contributions: dict[str, Contribution] | None
    coverage: list[Coverage]


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """A finished run, read from its folder.

    Attributes:
        test: the test pairs; none after ``--test_share 0``.
        scores_by_part: the final scores of ``test`` and ``dev``, where there are such parts.
        neural_scores: of a hybrid: the model's own scores of the test part.
        partner_scores: of a hybrid with a partner run: the partner's scores of the test part.
    """

    folder: RunFolder
    config: TrainConfig
    texts: dict[str, str]
    train: list[Pair]
    test: list[Pair]
    scores_by_part: dict[str, Scores]
    calibration: Calibration
    neural_scores: Scores | None = None
    partner_scores: Scores | None = None

    @property
    def scores(self) -> Scores:
        """The scores of the test part."""
        return self.scores_by_part["test"]


def read_finished_run(path: str) -> FinishedRun:
    """Reads the results of a finished run and the texts that it was trained and tested on.

    Raises:
        InputError: the run is not finished, one of its files is damaged, or its data has moved or changed.
    """
    folder = RunFolder(path)
    config = saved_options(path)
    check_single(config)
    check_same_inputs(path, config)
    texts = read_source(config).texts
    split = read_split(folder.split)
    check_titles(split, texts, folder.split)
    parts = {name: list(pairs) for name, pairs in split.items()}
    calibration = saved_calibration(folder)
    scores: dict[str, Scores] = {
        part: read_scores(folder.scores(part), parts[part], calibration.decision_threshold, config.eval_batch_size)
        for part in ("test", "dev")
        if part in parts
    }
    neural, partner = None, None
    if calibration.hybrid and "test" in parts:
        path_of_scores = folder.neural_scores("test")
        neural = read_scores(path_of_scores, parts["test"], calibration.threshold_alone, config.eval_batch_size)
    if calibration.ensemble and "test" in parts:
        path_of_scores = folder.partner_scores("test")
        partner = read_scores(path_of_scores, parts["test"], None, config.eval_batch_size)  # its run may have moved
    test = parts.get("test", [])
    return FinishedRun(folder, config, texts, parts["train"], test, scores, calibration, neural, partner)


def assess(run: FinishedRun) -> Assessment:
    """Computes the assessment; embedding the texts and scoring (B, A) take most of the time."""
    config, texts, test, scores = run.config, run.texts, run.test, run.scores
    say("evaluating: baselines, leakage, controls")
    weights = document_weights(documents_of(test, config.group_pattern), SEED)
    baseline_config = _baseline_config(config)
    vectors = config.embedding_cache or join(run.folder.path, "vectors.npz")
    pretrained = read_pretrained(config)
    check_same_checkpoint(run.folder.path, pretrained)
    lexical = saved_lexical_model(run)
    baselines = score_baselines(baseline_config, pretrained, texts, run.train, test, vectors, lexical)
    scorer = Scorer(run.folder.path, keep_vectors=True)
    ranking_options = RankingOptions(
        queries=config.rank_queries,
        candidates=config.rank_candidates,
        group_pattern=config.group_pattern,
        batch_size=config.eval_batch_size,
        seed=SEED,
    )
    return Assessment(
        split=config.split,
        pairs=len(test),
        figures=intervals(scores, weights),
        baselines={name: _compare(scores, p, weights) for name, p in baselines.probabilities.items()},
        seen=audit(texts, run.train, test, config.group_pattern, scores, weights),
        shuffled=shuffled_labels(baselines.probe_features, baselines.probe_labels, scores.labels, SEED),
        swapped=swap(scorer, texts, test, scores, config.eval_batch_size, SEED),
        degenerate=degenerate(scores),
        ranking=rank(scorer, baselines.lexical_model, texts, test, ranking_options),
        calibration=run.calibration,
        contributions=_contributions(run, baselines.probabilities[LEXICAL], weights),
        coverage=by_coverage(scores, weights),
    )


def saved_lexical_model(run: FinishedRun) -> LexicalModel | None:
    """Returns the lexical model of a hybrid run; ``None`` if the run has none, or its file is gone.

    If it was fitted alone, it equals what the baseline would fit: a run fits it to the part ``train`` of
    ``split.json``, self-labelled pairs included and pairs that only a teacher labels excluded, and to the texts, which
    `read_finished_run` found unchanged.
    """
    path = run.folder.lexical_model
    return LexicalModel.load(path) if run.calibration.hybrid and exists(path) else None


def _contributions(
    run: FinishedRun, lexical_probabilities: np.ndarray, weights: np.ndarray
) -> dict[str, Contribution] | None:
    """Evaluates the parts of a hybrid on the same test pairs."""
    if run.neural_scores is None:
        return None
    lexical = Predictions(run.scores.labels, lexical_probabilities)
    rows: dict[str, Predictions] = {MODEL_ALONE: run.neural_scores, LEXICAL: lexical}
    if run.partner_scores:
        rows[PARTNER] = run.partner_scores
    rows[HYBRID] = run.scores
    return {
        name: Contribution(interval(row, weights, accuracy), interval(row, weights, roc_auc))
        for name, row in rows.items()
    }


def _compare(scores: Scores, probabilities: np.ndarray, weights: np.ndarray) -> BaselineComparison:
    """Compares the model's scores with a baseline's probabilities for the same pairs."""
    other = Predictions(scores.labels, probabilities)
    return BaselineComparison(interval(other, weights, accuracy), mcnemar(scores.correct, other.correct))


def _baseline_config(config: TrainConfig) -> BaselineConfig:
    """Returns the baselines' options: those of the run, so that both see the same data and encoder."""
    shared = {field.name for field in dataclasses.fields(BaselineConfig)} - {"output_dir", "embedding_cache"}
    return BaselineConfig(**{name: value for name, value in dataclasses.asdict(config).items() if name in shared})
