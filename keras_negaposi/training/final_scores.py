"""The scores of a trained model: calibrated, combined with lexical features, and written."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import write_json, write_text
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.data import ALL
from keras_negaposi.config.heads import BI_ENCODER
from keras_negaposi.evaluation.metrics import Scores, score_records
from keras_negaposi.evaluation.score_table import scores_table
from keras_negaposi.input_pipeline.packing import SeparatePreprocessor
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.input_pipeline.record_folder import Records
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration, calibrate
from keras_negaposi.serving.density import MOST_PAGES, Density, WithDensities, density_of
from keras_negaposi.serving.hybrid import fit_hybrid
from keras_negaposi.training.partner import partner_scores


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
    model: tf_keras.Model, records: Records, inputs: Inputs, config: TrainConfig, folder: RunFolder
) -> Judged:
    """Scores the dev and test parts, calibrates on ``dev`` if there is one, and writes the final scores.

    Raises:
        InputError: the training has diverged.
    """
    # 1. Score both parts with the model.
    parts = [part for part in ("dev", "test") if part in records.counts]
    density = _density(model, inputs, config) if "dev" in parts else None
    scorer = WithDensities(model, density) if density else model
    scores: dict[str, Scores] = {part: score_records(scorer, records, part, config.eval_batch_size) for part in parts}
    if not all(np.isfinite(of_part.probabilities).all() for of_part in scores.values()):
        raise InputError(
            f"{folder.path}: the model's probabilities are not finite: the training has diverged; start a new run with "
            "a lower --learning_rate"
        )

    # 2. Calibrate the model alone.
    calibration = Calibration()
    if "dev" in scores:
        calibration = calibrate(scores["dev"].labels, scores["dev"].probabilities, scores["dev"].densities)
    scores = {part: of_part.calibrated(calibration) for part, of_part in scores.items()}

    # 3. Combine it with lexical features.
    lexical = None
    if config.hybrid and "dev" not in scores:
        say("not hybrid: there is no dev part to fit the combination with lexical features on (--dev_share)")
    elif config.hybrid:
        neural_scores = scores
        partner = partner_scores(config, {part: inputs.split.parts[part] for part in scores})
        calibration, lexical, scores = _combine(calibration, neural_scores, inputs, partner)
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
    return Judged(calibration, lexical, density if calibration.density else None)


def _density(model: tf_keras.Model, inputs: Inputs, config: TrainConfig) -> Density | None:
    """Returns the pages with which the vectors of a bi-encoder are compared; ``None`` for other heads."""
    if config.head != BI_ENCODER or not isinstance(inputs.preprocessor, SeparatePreprocessor):
        return None
    most = MOST_PAGES if config.reference_pages == ALL else int(config.reference_pages)
    return density_of(model, inputs.preprocessor, inputs.data.texts.values(), most, config.eval_batch_size)


def _combine(
    calibration: Calibration, scores: dict[str, Scores], inputs: Inputs, partner: dict[str, Scores]
) -> tuple[Calibration, LexicalModel | None, dict[str, Scores]]:
    """Combines calibrated scores with lexical features, and with the partner's scores if there is a partner.

    The lexical model is fitted on the training pairs, the combination on the dev pairs. Neither the model nor the
    lexical model nor the partner was trained on these, and the test part is not looked at.

    Returns:
        The calibration with the combination, the lexical model, and the combined scores; the scores as they were, and
        no lexical model, if all dev pairs have the same label.
    """
    texts, parts = inputs.data.texts, inputs.split.parts
    lexical = LexicalModel.fit(texts, parts["train"])
    logits = {part: lexical.logits(texts, parts[part]) for part in scores}
    dev = scores["dev"].labels, scores["dev"].probabilities, logits["dev"]
    hybrid = fit_hybrid(*dev)
    if hybrid is None:
        return calibration, None, scores
    calibration = dataclasses.replace(calibration, hybrid=hybrid)
    if partner:
        calibration = dataclasses.replace(calibration, ensemble=fit_hybrid(*dev, partner["dev"].probabilities))
    combination = calibration.combination or hybrid
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
