"""The partner of a run: a finished run on the same split (``--ensemble``), or one that is trained for it.

The partner's scores of the dev and test pairs are read, not computed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from keras_negaposi.config import HeadConfig, TrainConfig
from keras_negaposi.config.losses import BINARY
from keras_negaposi.config.recipes import BEST, choose
from keras_negaposi.config.training import NO_PARTNER
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.runtime.resume import MOVABLE
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished, saved_options
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.partner import Partner
from keras_negaposi.training.recipe import read_facts

PARTS = ("dev", "test")
WITHOUT = {"loss": BINARY, "teacher": None, "distill_pairs": 0, "resume": False, "hybrid": False}
"""Options that a run does not pass on to its partner. The lexical features are the run's own part of the hybrid."""


def check_partner(inputs: Inputs, config: TrainConfig) -> None:
    """Checks that the run can have its partner; one that is finished already must have the same dev and test pairs.

    Otherwise it may have been trained on pairs that this run is fitted to or tested on.

    Raises:
        InputError: it cannot.
    """
    if not config.partner:
        return
    flag = f"--partner_head {config.partner_head}" if config.trains_partner else f"--ensemble {config.ensemble}"
    if "dev" not in inputs.split.parts:
        raise InputError(f"{flag}: there is no dev part to fit the combination on; give --dev_share 0.1")
    if config.ensemble:
        _check_finished_partner(config.ensemble, inputs)
    elif not inputs.preprocessor.tokenizer.in_graph:
        raise InputError(f"{flag}: MeCab cannot be part of a SavedModel, so no run can join this one; leave it out")


def _check_finished_partner(path: str, inputs: Inputs) -> None:
    check_finished(path, "--ensemble ")
    theirs = read_split(RunFolder(path).split)
    for part in PARTS:
        if _content(inputs.split.parts.get(part, [])) != _content(theirs.get(part, [])):
            raise InputError(
                f"--ensemble {path}: its {part} pairs are not those of this run; train both with the same pairs, "
                "--split, --seed (or --split_seed), --test_share and --dev_share"
            )
    Partner(path)  # rejects a damaged model before the training


def partner_config(config: TrainConfig) -> TrainConfig:
    """Returns the options of the run that is trained to be the partner of another one.

    They are those of the other run, except options that only some heads have, and those that a recipe chooses
    differently for the partner's head.

    Args:
        config: of the other run, with ``partner_head``.

    Raises:
        InputError: a file cannot be used.
    """
    path = str(config.partner)
    if exists(RunFolder(path).config):
        places = {name: getattr(config, name) for name in MOVABLE}  # the user may have named new ones
        return dataclasses.replace(saved_options(path), **places, resume=True)
    facts = read_facts(dataclasses.asdict(config))
    for_partner, for_other = (choose(BEST, facts, head) for head in (config.partner_head, config.head))
    changed: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(HeadConfig)}
    changed |= {choice.option: choice.value for choice in for_partner if choice not in for_other}
    changed |= WITHOUT | {"head": config.partner_head, "partner_head": NO_PARTNER, "output_dir": path, "records": None}
    if config.measure == "recall":  # the partner joins by its probabilities
        changed["keep_best"] = "loss"
    return dataclasses.replace(config, **changed)


def partner_scores(config: TrainConfig, parts: Mapping[str, Sequence[Pair]]) -> dict[str, Scores]:
    """Reads the partner's final scores of the parts' pairs; there are none without a partner.

    Raises:
        InputError: its score table is missing, damaged or for other pairs.
    """
    if not config.partner:
        return {}
    folder = RunFolder(config.partner)
    threshold = saved_calibration(folder).decision_threshold
    return {
        part: read_scores(folder.scores(part), pairs, threshold, config.eval_batch_size)
        for part, pairs in parts.items()
    }


def _content(pairs: Sequence[Pair]) -> list[tuple[str, str, int]]:
    return [(pair.a, pair.b, pair.label) for pair in pairs]
