"""Hybrid scoring: the trained model's evidence and the lexical features' evidence in one probability.

A linear combination of both logits, fitted by logistic regression ("stacking"; Wolpert 1992). It must be fitted on
pairs that neither part was trained on: on its training pairs a fine-tuned encoder looks better than it is, and would
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
    """The logit of the hybrid is ``neural`` * neural logit + ``lexical`` * lexical logit + ``bias``.

    Attributes:
        neural: weight of the logit of the model's calibrated probability.
        lexical: weight of the logit of the `LexicalModel`.
        bias: constant.
    """

    neural: Weight
    lexical: Weight
    bias: Weight

    def combine(self, probabilities: np.ndarray, lexical_logits: np.ndarray) -> np.ndarray:
        """Returns the hybrid's probabilities, ``float32 [pairs]``.

        Args:
            probabilities: the model's calibrated probabilities, ``float [pairs]``.
            lexical_logits: the lexical model's logits, ``float64 [pairs]``.
        """
        logits = self.neural * logits_of(probabilities) + self.lexical * lexical_logits + self.bias
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


def fit_hybrid(labels: np.ndarray, probabilities: np.ndarray, lexical_logits: np.ndarray) -> Hybrid | None:
    """Fits the combination to pairs that neither part was trained on; the arguments are those of `Hybrid.combine`.

    Returns:
        ``None`` if the labels are all equal, so that nothing can be fitted.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and only fitting needs it

    if len(set(labels.tolist())) < 2:
        return None
    columns = np.column_stack([logits_of(probabilities), lexical_logits])
    regression = LogisticRegression(max_iter=1000).fit(columns, labels)
    neural, lexical = regression.coef_[0]
    return Hybrid(float(neural), float(lexical), float(regression.intercept_[0]))


def logits_of(probabilities: np.ndarray) -> np.ndarray:
    """Returns the logits of probabilities, ``float64 [pairs]``."""
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)
