"""Which baselines a run did not beat, by one rule for its own verdict and for whoever uses the run later."""

from __future__ import annotations

import dataclasses

from checkpoints_tools.common.files import exists
from checkpoints_tools.common.schema import read_as
from keras_negaposi.runtime.run_folder import RunFolder

COSINE, LEXICAL = "TF-IDF cosine", "lexical features"
LINEAR_PROBE, EMBEDDING_COSINE = "frozen encoder", "frozen cosine"
FROZEN_LEXICAL = "frozen + lexical"
"""Keys in ``metrics.json`` and ``baseline_metrics.json``, which keep their first names; see `display_name`."""
STRONG_BASELINES = (COSINE, LEXICAL, LINEAR_PROBE, EMBEDDING_COSINE, FROZEN_LEXICAL)
"""Baselines that a useful model must beat; the others only show whether one side or the lengths reveal the label."""
MODEL_ALONE = "trained model"
"""Key of the model without lexical features in the ``contributions`` of ``metrics.json``."""
SIGNIFICANCE_LEVEL = 0.05
_DISPLAY_NAMES = {LINEAR_PROBE: "linear probe", EMBEDDING_COSINE: "embedding cosine"}


def display_name(name: str) -> str:
    """Returns how texts for readers call the baseline with the key ``name``."""
    return _DISPLAY_NAMES.get(name, name)


def is_beaten(first_alone: int, second_alone: int, p_value: float) -> bool:
    """Tells whether the first classifier is significantly better than the second, from their McNemar test."""
    return first_alone > second_alone and p_value < SIGNIFICANCE_LEVEL


@dataclasses.dataclass(frozen=True)
class _McNemar:
    first_alone: int
    second_alone: int
    p_value: float


@dataclasses.dataclass(frozen=True)
class _Baseline:
    mcnemar: _McNemar


@dataclasses.dataclass(frozen=True)
class _Metrics:
    """The part of ``metrics.json`` that is read; older versions wrote less."""

    baselines: dict[str, _Baseline] = dataclasses.field(default_factory=dict)


def unbeaten_baselines(run: str) -> list[str]:
    """Returns the keys of the strong baselines that a finished run's model did not beat on its test pairs.

    Raises:
        InputError: the run's ``metrics.json`` is damaged.
    """
    path = RunFolder(run).metrics
    if not exists(path):
        return []
    metrics = read_as(_Metrics, path, "evaluate the run again")
    tests = {name: metrics.baselines[name].mcnemar for name in STRONG_BASELINES if name in metrics.baselines}
    return [name for name, test in tests.items() if not is_beaten(test.first_alone, test.second_alone, test.p_value)]
