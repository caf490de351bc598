"""Hybrid scoring: the evidence of the trained model, of the lexical features and of a partner run in one probability.

A linear combination of their logits, fitted by logistic regression ("stacking"; Wolpert 1992). It must be fitted on
pairs that no part was trained on: on its training pairs a fine-tuned encoder looks better than it is, and would
get too much weight.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from msgspec import Meta

SMALLEST = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logarithm is taken."""

Weight = Annotated[float, Meta(ge=-1e6, le=1e6)]
"""A fitted weight; the limits are checked where it is read from a file."""


@dataclasses.dataclass(frozen=True)
class Hybrid:
    """The logit of the hybrid is the sum of each part's logit * its weight, plus ``bias``.

    Attributes:
        neural: weight of the logit of the model's calibrated probability.
        lexical: weight of the logit of the `LexicalModel`.
        bias: constant.
        partner: weight of the logit of the partner run's final probability; 0 without a partner.
    """

    neural: Weight
    lexical: Weight
    bias: Weight
    partner: Weight = 0.0

    def combine(
        self, probabilities: np.ndarray, lexical_logits: np.ndarray, partner: np.ndarray | None = None
    ) -> np.ndarray:
        """Returns the hybrid's probabilities, ``float32 [pairs]``.

        Args:
            probabilities: the model's calibrated probabilities, ``float [pairs]``.
            lexical_logits: the lexical model's logits, ``float64 [pairs]``.
            partner: the partner run's final probabilities, ``float [pairs]``, if there is one.
        """
        logits = self.neural * logits_of(probabilities) + self.lexical * lexical_logits + self.bias
        if partner is not None:
            logits += self.partner * logits_of(partner)
        return probabilities_of(logits)


def fit_hybrid(
    labels: np.ndarray,
    probabilities: np.ndarray,
    lexical_logits: np.ndarray,
    partner: np.ndarray | None = None,
    weight: float | None = None,
) -> Hybrid | None:
    """Fits the combination to pairs that no part was trained on.

    Args:
        labels: ``int [pairs]``.
        probabilities: see `Hybrid.combine`.
        lexical_logits: see `Hybrid.combine`.
        partner: see `Hybrid.combine`.
        weight: of the logit of ``probabilities``, where ``lexical_logits`` have weight 1, if that is known already.

    Returns:
        ``None`` if the labels are all equal, so that nothing can be fitted.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it

    if len(set(labels.tolist())) < 2:
        return None
    logits = logits_of(probabilities)
    own = [logits, lexical_logits] if weight is None else [weight * logits + lexical_logits]
    others = [] if partner is None else [logits_of(partner)]
    regression = LogisticRegression(max_iter=1000).fit(np.column_stack([*own, *others]), labels)
    fitted = list(map(float, regression.coef_[0]))
    neural, lexical = (fitted[0], fitted[1]) if weight is None else (weight * fitted[0], fitted[0])
    return Hybrid(neural, lexical, float(regression.intercept_[0]), *fitted[len(own) :])


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Returns the logits of probabilities, ``float64 [pairs]``."""
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Returns the probabilities of logits, ``float32 [pairs]``."""
    return (1 / (1 + np.exp(-logits))).astype(np.float32)
