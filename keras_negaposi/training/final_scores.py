"""The scores of a trained model: calibrated, combined with lexical features, and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_json, write_text
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.data import ALL
from keras_negaposi.data.reference_pages import MOST_PAGES
from keras_negaposi.evaluation.metrics import Scores, score_records
from keras_negaposi.evaluation.score_table import scores_table
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.modeling.heads.bi_encoder import BiEncoder
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration
from keras_negaposi.serving.density import Density
from keras_negaposi.training.combination import Together, fit_calibration, fit_together, fit_weights
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
    calibration = fit_calibration(scores.get("dev"), together)
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
    if vectors and calibration.density:
        write_json(folder.reference_pages, vectors.page_keys)
        return Judged(calibration, lexical, vectors.density)
    return Judged(calibration, lexical)


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


def _combine(
    calibration: Calibration,
    scores: dict[str, Scores],
    inputs: Inputs,
    partner: dict[str, Scores],
    together: Together | None = None,
) -> tuple[Calibration, LexicalModel | None, dict[str, Scores]]:
    """Combines calibrated scores with lexical features, and with the partner's scores if there is a partner.

    The lexical model is fitted on the training pairs, the combination on the dev pairs; of what was fitted together on
    training pairs, only the scale. Neither the model nor the lexical model nor the partner was trained on the dev
    pairs, and the test part is not looked at.

    Returns:
        The calibration with the combination, the lexical model, and the combined scores; the scores as they were, and
        no lexical model, if all dev pairs have the same label.
    """
    texts, parts = inputs.data.texts, inputs.split.parts
    lexical = together.lexical if together else LexicalModel.fit(texts, parts["train"])
    logits = {part: lexical.logits(texts, parts[part]) for part in scores}
    hybrid, ensemble = fit_weights(calibration, scores.get("dev"), logits, partner, together)
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
