"""Fits how the evidence about a pair is weighed: the model, densities, lexical features and a partner run.

The weights are fitted to pairs that no part was trained on: those of the dev part or, if the model was not trained at
all, the training pairs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.serving.calibration import Calibration, calibrate
from keras_negaposi.serving.hybrid import Hybrid, fit_hybrid, logits_of
from keras_negaposi.training.vector_scores import VectorScorer


@dataclasses.dataclass(frozen=True)
class Together:
    """Weights that were fitted together, to training pairs that the model was not trained on.

    Attributes:
        lexical: the lexical model.
        logit: weight of the model's logit, where the lexical logit has weight 1.
        density: weight of the densities.
        constant: added to the weighted logit and densities.
        train: the scores of the training pairs.
    """

    lexical: LexicalModel
    logit: float
    density: float
    constant: float
    train: Scores


def fit_together(inputs: Inputs, vectors: VectorScorer) -> Together | None:
    """Fits the lexical features, the logit of the vectors' cosine and the densities in one logistic regression.

    This needs thousands of pairs, and vectors that do not know their labels: those of an encoder that was not
    fine-tuned.

    Returns:
        ``None`` if the cosine does not help, as with very few pairs.
    """
    texts, train = inputs.data.texts, inputs.split.parts["train"]
    known = vectors.score(train, exactly=False)
    if known.densities is None:
        return None
    others = np.column_stack([logits_of(known.probabilities), known.densities])
    lexical, (logit, density), constant = LexicalModel.fit_with(texts, train, others)
    return Together(lexical, float(logit), float(density), constant, known) if logit > 0 else None


def fit_calibration(dev: Scores | None, together: Together | None) -> Calibration:
    """Calibrates the model alone on the dev part; without one, on training pairs that the model has not learned from.

    Args:
        dev: the model's scores of the dev part, if there is one.
        together: the weights that were fitted together, if they were.

    Returns:
        The defaults if there is neither.
    """
    if together is None:
        return calibrate(dev.labels, dev.probabilities, dev.densities) if dev else Calibration()
    known, part = (dev, "dev") if dev and len(set(dev.labels.tolist())) > 1 else (together.train, "train")
    ratio = together.density / together.logit
    calibration = calibrate(known.labels, known.probabilities, known.densities, ratio)
    return dataclasses.replace(calibration, chosen_on=part)


def fit_weights(
    calibration: Calibration,
    dev: Scores | None,
    logits: Mapping[str, np.ndarray],
    partner: Mapping[str, Scores],
    together: Together | None,
) -> tuple[Hybrid | None, Hybrid | None]:
    """Fits the weights of model, lexical features and partner.

    Args:
        calibration: of the model alone.
        dev: the calibrated scores of the dev part, if there is one.
        logits: the lexical logits of each part, ``float64 [pairs]``.
        partner: the partner's scores of each part; none without a partner.
        together: the weights that were fitted together, if they were.

    Returns:
        The weights without and with the partner; ``None`` if there is nothing to fit them to, or no partner.
    """
    weight = None
    if together and calibration.density:  # the calibration has scaled the model's logit
        weight = together.logit / calibration.density.logit
        if dev is None:
            return Hybrid(weight, 1.0, together.constant - weight * calibration.density.bias), None
    if dev is None:
        return None, None
    evidence = dev.labels, dev.probabilities, logits["dev"]
    alone = fit_hybrid(*evidence, weight=weight)
    return alone, fit_hybrid(*evidence, partner["dev"].probabilities, weight) if partner else None
