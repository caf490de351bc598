"""Calibration of a model's probabilities, and the decision threshold, chosen on the dev part only."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from checkpoints_tools.common.files import exists
from checkpoints_tools.common.schema import read_as
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.hybrid import Hybrid, Weight, logits_of, probabilities_of

FITTED_THRESHOLD = 0.5
FOLDS = 10
"""Of the cross-validation that decides whether densities get a weight."""
_LOG_RANGE = (-3.0, 3.0)
"""Range of the logarithm of the temperature."""


@dataclasses.dataclass(frozen=True)
class DensityWeights:
    """The calibrated logit is the model's logit * ``logit`` + the densities of A and B * ``density`` + ``bias``."""

    logit: Weight
    density: Weight
    bias: Weight

    def combine(self, probabilities: np.ndarray, densities: np.ndarray) -> np.ndarray:
        """Returns the calibrated probabilities, ``float32 [pairs]``; the arguments are those of `Calibration.apply`."""
        logits = self.logit * logits_of(probabilities) + self.density * densities.astype(np.float64) + self.bias
        return probabilities_of(logits)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Turns a model's probabilities into calibrated ones and decides which of them mean "B comes next".

    Attributes:
        temperature: divides the logits (temperature scaling; Guo et al. 2017, arXiv 1706.04599).
        threshold: B is predicted to come next where the probability after temperature scaling is above it.
        chosen_on: the part on which all of this was chosen; ``None`` for the defaults.
        density: takes the place of temperature and threshold where the densities of A and B are known; ``None`` if they
            never are.
        hybrid: how the calibrated probabilities are combined with the lexical features; ``None`` if they are not.
        ensemble: how both are combined with a partner run as well. An index, which caches what this run's model says of
            each page, still uses ``hybrid``.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    chosen_on: str | None = None
    hybrid: Hybrid | None = None
    ensemble: Hybrid | None = None
    density: DensityWeights | None = None

    @property
    def combination(self) -> Hybrid | None:
        """The combination that the run's scores come from; ``None`` if they are the model's own."""
        return self.ensemble or self.hybrid

    @property
    def threshold_alone(self) -> float:
        """The threshold for the model alone: ``threshold``, or 0.5 with densities, whose bias was fitted."""
        return FITTED_THRESHOLD if self.density else self.threshold

    @property
    def decision_threshold(self) -> float:
        """The threshold for the run's scores: that of the model alone, or 0.5 for a hybrid, whose bias was fitted."""
        return FITTED_THRESHOLD if self.hybrid else self.threshold_alone

    def apply(self, probabilities: np.ndarray, densities: np.ndarray | None = None) -> np.ndarray:
        """Returns the calibrated probabilities, ``float32 [pairs]``.

        Args:
            probabilities: as the model returns them, ``float [pairs]``.
            densities: of A and B together, ``float [pairs]``; ``None`` if the model knows none.
        """
        if self.density and densities is not None:
            return self.density.combine(probabilities, densities)
        if self.temperature == 1.0:
            return probabilities
        return probabilities_of(logits_of(probabilities) / self.temperature)


@dataclasses.dataclass(frozen=True)
class _Saved:
    """The content of ``calibration.json``."""

    temperature: Annotated[float, Meta(ge=0.01, le=100.0)]
    threshold: Annotated[float, Meta(ge=0.0, le=1.0)]
    chosen_on: Literal["dev", "train"] | None
    hybrid: Hybrid | None = None
    ensemble: Hybrid | None = None
    density: DensityWeights | None = None


def saved_calibration(folder: RunFolder) -> Calibration:
    """Returns a finished run's calibration; the defaults for a run that is older than calibration.

    Raises:
        InputError: the file is damaged.
    """
    if not exists(folder.calibration):
        return Calibration()
    saved = read_as(_Saved, folder.calibration, "finish the run again with --resume")
    return Calibration(**{field.name: getattr(saved, field.name) for field in dataclasses.fields(saved)})


def saved_combination(folder: RunFolder) -> tuple[Calibration, LexicalModel | None]:
    """Returns a finished run's calibration, and its lexical model if it is a hybrid.

    Raises:
        InputError: a file is missing or damaged.
    """
    calibration = saved_calibration(folder)
    return calibration, LexicalModel.load(folder.lexical_model) if calibration.hybrid else None


def calibrate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    densities: np.ndarray | None = None,
    ratio: float | None = None,
) -> Calibration:
    """Chooses temperature and threshold, and the weights of densities, on the dev part.

    The temperature minimizes the cross-entropy. The threshold maximizes the accuracy; of equally good thresholds, the
    one nearest to 0.5 is chosen. Candidates lie halfway between two adjacent probabilities, so that no probability
    equals the threshold.

    Args:
        labels: ``int [pairs]`` of the dev part.
        probabilities: ``float [pairs]``, as the model returns them.
        densities: of A and B together, ``float [pairs]``; ``None`` if the model knows none.
        ratio: the weight of the densities, where the model's logit has weight 1, if that is known already; the labels
            must then be of both classes.
    """
    from scipy.optimize import minimize_scalar  # slow to import, and only fitting needs it

    logits = logits_of(probabilities)

    def loss(log_temperature: float) -> float:
        signed = np.where(labels == 1, -1.0, 1.0) * logits / np.exp(log_temperature)
        return float(np.logaddexp(0.0, signed).mean())

    best = minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded")
    temperature = float(np.exp(best.x)) if loss(best.x) < loss(0.0) else 1.0
    density = None
    if densities is not None and ratio is not None:
        density = _scaled_density(labels, probabilities, densities, ratio)
    elif densities is not None:
        density = _fit_density(labels, probabilities, densities)
    calibrated = Calibration(temperature).apply(probabilities)
    return Calibration(temperature, _best_threshold(labels, calibrated), "dev", density=density)


def _scaled_density(
    labels: np.ndarray, probabilities: np.ndarray, densities: np.ndarray, ratio: float
) -> DensityWeights:
    """Fits scale and bias where the weights' ratio is known; the arguments are those of `calibrate`."""
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it

    corrected = logits_of(probabilities) + ratio * densities
    regression = LogisticRegression(max_iter=1000, C=1e3).fit(corrected[:, np.newaxis], labels)
    scale = float(regression.coef_[0, 0])
    return DensityWeights(scale, scale * ratio, float(regression.intercept_[0]))


def _fit_density(labels: np.ndarray, probabilities: np.ndarray, densities: np.ndarray) -> DensityWeights | None:
    """Fits the weights by logistic regression.

    Returns:
        ``None`` if densities do not lower the loss in a cross-validation, as with few pairs; if a text that is close to
            many pages would count more, which would be chance; or if there are too few pairs of a class.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = min(FOLDS, *np.bincount(labels.astype(int), minlength=2))
    if folds < 2:
        return None
    columns = np.column_stack([logits_of(probabilities), densities])
    # Without the scaler, the penalty would hold the densities' weight near 0.
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    parts = StratifiedKFold(folds, shuffle=True, random_state=0)
    alone, together = (
        cross_val_score(pipeline, some, labels, cv=parts, scoring="neg_log_loss").mean()
        for some in (columns[:, :1], columns)
    )
    if together <= alone:
        return None
    scaler, regression = pipeline.fit(columns, labels)
    logit, density = regression.coef_[0] / scaler.scale_
    if density >= 0:
        return None
    bias = regression.intercept_[0] - np.dot([logit, density], scaler.mean_)
    return DensityWeights(float(logit), float(density), float(bias))


def _best_threshold(labels: np.ndarray, probabilities: np.ndarray) -> float:
    scores = np.unique(probabilities.astype(np.float64))
    candidates = np.append((scores[1:] + scores[:-1]) / 2, 0.5)
    accuracies = np.array([((probabilities > candidate) == (labels == 1)).mean() for candidate in candidates])
    best = candidates[accuracies == accuracies.max()]
    return float(best[np.abs(best - 0.5).argmin()])
