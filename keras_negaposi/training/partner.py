"""The partner of a run: a run on the same split, given (``--ensemble``) or trained first (``--train_partner``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.recipes import QUICK, choose_partner
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.partner import Partner
from keras_negaposi.training.recipe import read_facts

PARTS = ("dev", "test")


def check_partner(inputs: Inputs, config: TrainConfig) -> None:
    """Checks that the partner can join this run's hybrid: a finished run with the same dev and test pairs.

    Otherwise it may have been trained on pairs that this run is fitted to or tested on.

    Raises:
        InputError: it cannot.
    """
    if not config.ensemble:
        return
    check_finished(config.ensemble, "--ensemble ")
    if "dev" not in inputs.split.parts:
        raise InputError(
            f"--ensemble {config.ensemble}: there is no dev part to fit the combination on; give --dev_share 0.1"
        )
    theirs = read_split(RunFolder(config.ensemble).split)
    for part in PARTS:
        if _content(inputs.split.parts[part]) != _content(theirs.get(part, [])):
            raise InputError(
                f"--ensemble {config.ensemble}: its {part} pairs are not those of this run; train both with the same "
                "pairs, --split, --seed (or --split_seed), --test_share and --dev_share"
            )
    Partner(config.ensemble)  # rejects a damaged model before the training


def partner_folder(config: TrainConfig) -> str | None:
    """Returns the folder of the run's partner, if it has one."""
    return RunFolder(config.output_dir).partner if config.train_partner else config.ensemble


def partner_config(config: TrainConfig) -> TrainConfig:
    """Returns the options of the partner that is trained first: its own recipe, and the data and split of the run.

    Raises:
        InputError: a file cannot be used.
    """
    chosen = {choice.option: choice.value for choice in choose_partner(read_facts(dataclasses.asdict(config)))}
    own: dict[str, Any] = {
        "recipe": QUICK,
        "train_partner": False,
        "output_dir": partner_folder(config),
        "resume": False,
    }
    own |= {"split_seed": config.seed_of_split, "records": None, "embedding_cache": None, "next_page_pairs": 0}
    own |= {"teacher": None, "distill_pairs": 0, "head_learning_rate": None, "head_size": None, "rank_queries": 0}
    return dataclasses.replace(config, **own | chosen)


def partner_scores(config: TrainConfig, parts: Mapping[str, Sequence[Pair]]) -> dict[str, Scores]:
    """Reads the partner's final scores of the parts' pairs; there are none without a partner.

    Raises:
        InputError: its score table is missing, damaged or for other pairs.
    """
    path = partner_folder(config)
    if not path:
        return {}
    folder = RunFolder(path)
    threshold = saved_calibration(folder).decision_threshold
    return {
        part: read_scores(folder.scores(part), pairs, threshold, config.eval_batch_size)
        for part, pairs in parts.items()
    }


def _content(pairs: Sequence[Pair]) -> list[tuple[str, str, int]]:
    return [(pair.a, pair.b, pair.label) for pair in pairs]
