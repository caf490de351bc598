"""Temperature and decision threshold, chosen on the dev part and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from scipy.optimize import minimize_scalar

from checkpoints_tools.common.files import exists
from checkpoints_tools.common.schema import read_as
from keras_negaposi.runtime.run_folder import RunFolder

SMALLEST = 1e-7
"""Probabilities are held away from 0 and 1 by this before their logarithm is taken."""
_LOG_RANGE = (-3.0, 3.0)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How a model's probabilities become the ones told, and which are a yes.

    Attributes:
        temperature: logits are divided by it (Guo et al. 2017, arXiv 1706.04599).
        threshold: above it, after the temperature, B is held to come next.
        chosen_on: the part it was chosen on; ``None`` for the defaults.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    chosen_on: str | None = None

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities after the temperature, ``float32`` as they came."""
        if self.temperature == 1.0:
            return probabilities
        return (1 / (1 + np.exp(-_logits(probabilities) / self.temperature))).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class _Saved:
    """The content of ``calibration.json``."""

    temperature: Annotated[float, Meta(ge=0.01, le=100.0)]
    threshold: Annotated[float, Meta(ge=0.0, le=1.0)]
    chosen_on: Literal["dev"] | None


def saved_calibration(folder: RunFolder) -> Calibration:
    """What a run was finished with; the defaults for a run older than calibration.

    Raises:
        InputError: the file is damaged.
    """
    if not exists(folder.calibration):
        return Calibration()
    saved = read_as(_Saved, folder.calibration, "finish the run again with --resume")
    return Calibration(**dataclasses.asdict(saved))


def calibrate(labels: np.ndarray, probabilities: np.ndarray) -> Calibration:
    """Chooses both on the dev part.

    The temperature has the least cross-entropy. The threshold has the highest accuracy; between equally good ones it
    is the nearest to one half, and it lies between two scores, so that no tie is broken by it.

    Args:
        labels: ``int [pairs]`` of the dev part.
        probabilities: ``float [pairs]``, the model's own.
    """
    logits = _logits(probabilities)

    def loss(log_temperature: float) -> float:
        signed = np.where(labels == 1, -1.0, 1.0) * logits / np.exp(log_temperature)
        return float(np.logaddexp(0.0, signed).mean())

    found = minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded")
    temperature = float(np.exp(found.x)) if loss(found.x) < loss(0.0) else 1.0
    calibrated = Calibration(temperature).apply(probabilities)
    return Calibration(temperature, _threshold(labels, calibrated), "dev")


def _threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    scores = np.unique(probabilities.astype(np.float64))
    candidates = np.append((scores[1:] + scores[:-1]) / 2, 0.5)
    right = [((probabilities > candidate) == (labels == 1)).mean() for candidate in candidates]
    best = candidates[np.array(right) == np.max(right)]
    return float(best[np.abs(best - 0.5).argmin()])


def _logits(probabilities: np.ndarray) -> np.ndarray:
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)
