"""``--ensemble``: a partner run must have been made with the same split; its scores of that split are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import TrainConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import read_split
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.evaluation.score_table import read_scores
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import check_finished
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.partner import Partner

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
        if _content(inputs.split.parts.get(part, [])) != _content(theirs.get(part, [])):
            raise InputError(
                f"--ensemble {config.ensemble}: its {part} pairs are not those of this run; train both with the same "
                "pairs, --split, --seed (or --split_seed), --test_share and --dev_share"
            )
    Partner(config.ensemble)  # rejects a damaged model before the training


def partner_scores(config: TrainConfig, parts: Mapping[str, Sequence[Pair]]) -> dict[str, Scores]:
    """Reads the partner's final scores of the parts' pairs; there are none without a partner.

    Raises:
        InputError: its score table is missing, damaged or for other pairs.
    """
    if not config.ensemble:
        return {}
    folder = RunFolder(config.ensemble)
    threshold = saved_calibration(folder).decision_threshold
    return {
        part: read_scores(folder.scores(part), pairs, threshold, config.eval_batch_size)
        for part, pairs in parts.items()
    }


def _content(pairs: Sequence[Pair]) -> list[tuple[str, str, int]]:
    return [(pair.a, pair.b, pair.label) for pair in pairs]
