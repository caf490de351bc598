"""The scores of a trained model: calibrated, combined with lexical features, and written."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_json, write_text
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.data import ALL
from keras_negaposi.evaluation.metrics import Scores, score_records
from keras_negaposi.evaluation.score_table import scores_table
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.modeling.heads.bi_encoder import BiEncoder
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration, calibrate, calibrate_density
from keras_negaposi.serving.density import MOST_PAGES, Density
from keras_negaposi.serving.hybrid import Hybrid, fit_hybrid, fit_scale, logits_of
from keras_negaposi.training.partner import partner_scores
from keras_negaposi.training.vector_scores import VectorScorer


class Judged(NamedTuple):
    """What a run's final scores come from, in addition to the model.

    Attributes:
        calibration: of the model, with the weights of all other parts.
        lexical: the lexical model, if the final scores combine it with the model.
        density: the pages with which a bi-encoder's vectors are compared, if they are.
    """

    calibration: Calibration
    lexical: LexicalModel | None = None
    density: Density | None = None


def score_parts(
    model: tf_keras.Model,
    fast_model: Callable[[], tf_keras.Model],
    records: Records,
    inputs: Inputs,
    config: TrainConfig,
    folder: RunFolder,
    fine_tuned: bool,
) -> Judged:
    """Scores the dev and test parts, calibrates on ``dev`` if there is one, and writes the final scores.

    Args:
        model: the model, in float32.
        fast_model: makes the same model in the precision of the training.
        records: of the run.
        inputs: of the run.
        config: of the run.
        folder: of the run.
        fine_tuned: whether the model was trained on the training pairs, so that its scores of these look too good.

    Raises:
        InputError: the training has diverged.
    """
    # 1. Score both parts with the model.
    parts = [part for part in ("dev", "test") if part in records.counts]
    has_weights = "dev" in parts or (config.hybrid and not fine_tuned)  # something to fit the weights of densities on
    vectors = _vector_scorer(model, fast_model, inputs, config) if has_weights else None
    scores: dict[str, Scores] = {
        part: vectors.score(inputs.split.parts[part])
        if vectors
        else score_records(model, records, part, config.eval_batch_size)
        for part in parts
    }
    if not all(np.isfinite(of_part.probabilities).all() for of_part in scores.values()):
        raise InputError(
            f"{folder.path}: the model's probabilities are not finite: the training has diverged; start a new run with "
            "a lower --learning_rate"
        )

    # 2. Calibrate the model alone.
    together = fit_together(inputs, vectors) if config.hybrid and vectors and not fine_tuned else None
    calibration = _calibration(scores.get("dev"), together)
    scores = {part: of_part.calibrated(calibration) for part, of_part in scores.items()}

    # 3. Combine it with lexical features.
    lexical = None
    if config.hybrid and "dev" not in scores and not together:
        say("not hybrid: there is no dev part to fit the combination with lexical features on (--dev_share)")
    elif config.hybrid:
        neural_scores = scores
        partner = partner_scores(config, {part: inputs.split.parts[part] for part in scores})
        calibration, lexical, scores = _combine(calibration, neural_scores, inputs, partner, together)
        if lexical:
            lexical.save(folder.lexical_model)
            for part, of_part in neural_scores.items():
                write_text(folder.neural_scores(part), scores_table(inputs.split.parts[part], of_part))
            for part, of_part in partner.items():
                write_text(folder.partner_scores(part), scores_table(inputs.split.parts[part], of_part))

    # 4. Write the final scores.
    write_json(folder.calibration, dataclasses.asdict(calibration))
    for part, of_part in scores.items():
        write_text(folder.scores(part), scores_table(inputs.split.parts[part], of_part))
    return Judged(calibration, lexical, vectors.density if vectors and calibration.density else None)


def _vector_scorer(
    model: tf_keras.Model, fast_model: Callable[[], tf_keras.Model], inputs: Inputs, config: TrainConfig
) -> VectorScorer | None:
    """Returns what scores pairs by vectors and densities; ``None`` for other heads."""
    if not (config.reference_pages and isinstance(model, BiEncoder)):
        return None
    if not isinstance(inputs.preprocessor, SeparatePreprocessor):
        raise TypeError(f"a bi-encoder needs a {SeparatePreprocessor.__name__}")
    most = MOST_PAGES if config.reference_pages == ALL else int(config.reference_pages)
    return VectorScorer(model, fast_model(), inputs.preprocessor, inputs.data.texts, most, config.eval_batch_size)


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

    def weight(self, calibration: Calibration) -> float:
        """Returns the weight of the model's calibrated logit."""
        if not calibration.density:
            raise ValueError("the calibration knows no densities")
        return self.logit / calibration.density.logit


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


def _calibration(dev: Scores | None, together: Together | None) -> Calibration:
    """Calibrates the model alone on the dev part; without one, on training pairs that the model has not learned from.

    Returns:
        The defaults if there is neither.
    """
    if together is None:
        return calibrate(dev.labels, dev.probabilities, dev.densities) if dev else Calibration()
    ratio = together.density / together.logit
    known, part = (dev, "dev") if dev and len(set(dev.labels.tolist())) > 1 else (together.train, "train")
    calibration = calibrate_density(known.labels, known.probabilities, known.densities, ratio)
    return dataclasses.replace(calibration, chosen_on=part)


def _combine(
    calibration: Calibration,
    scores: dict[str, Scores],
    inputs: Inputs,
    partner: dict[str, Scores],
    together: Together | None,
) -> tuple[Calibration, LexicalModel | None, dict[str, Scores]]:
    """Combines calibrated scores with lexical features, and with the partner's scores if there is a partner.

    The lexical model is fitted on the training pairs, the combination on the dev pairs. Neither the model nor the
    lexical model nor the partner was trained on these, and the test part is not looked at.

    Returns:
        The calibration with the combination, the lexical model, and the combined scores; the scores as they were, and
        no lexical model, if all dev pairs have the same label.
    """
    texts, parts = inputs.data.texts, inputs.split.parts
    lexical = together.lexical if together else LexicalModel.fit(texts, parts["train"])
    logits = {part: lexical.logits(texts, parts[part]) for part in scores}
    hybrid, ensemble = _weights(calibration, scores.get("dev"), logits, partner, together)
    if hybrid is None:
        return calibration, None, scores
    calibration = dataclasses.replace(calibration, hybrid=hybrid, ensemble=ensemble)
    combination = ensemble or hybrid
    combined = {
        part: dataclasses.replace(
            of_part,
            probabilities=combination.combine(
                of_part.probabilities, logits[part], partner[part].probabilities if partner else None
            ),
            threshold=calibration.decision_threshold,
        )
        for part, of_part in scores.items()
    }
    return calibration, lexical, combined


def _weights(
    calibration: Calibration,
    dev: Scores | None,
    logits: Mapping[str, np.ndarray],
    partner: Mapping[str, Scores],
    together: Together | None,
) -> tuple[Hybrid | None, Hybrid | None]:
    """Returns the weights without and with the partner; the arguments are those of `_combine`."""
    if dev is None:
        if not (together and calibration.density):
            return None, None
        weight = together.weight(calibration)
        return Hybrid(weight, 1.0, together.constant - weight * calibration.density.bias), None
    evidence = dev.labels, dev.probabilities, logits["dev"]
    fit: Callable[..., Hybrid | None] = fit_hybrid
    if together:
        fit = functools.partial(fit_scale, weight=together.weight(calibration))
    return fit(*evidence), fit(*evidence, partner=partner["dev"].probabilities) if partner else None
