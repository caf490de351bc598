"""The parameters of `PairClassifier` as options of a run, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from checkpoints_tools.common.errors import InputError, quoted
from checkpoints_tools.common.files import exists, is_remote
from checkpoints_tools.common.options import make_config
from keras_negaposi.config import TrainConfig

OPTIONS = {
    "bert": "init_checkpoint",
    **{
        name: name
        for name in (
            *("head", "recipe", "max_seq_length", "learning_rate", "num_train_epochs", "train_batch_size"),
            *("truncate_a", "frozen_layers", "dev_share", "test_share", "hybrid", "seed", "output_dir"),
        )
    },
}
"""Parameter -> the option of `train`."""
SET_BY_FIT = (
    *("honbun", "negaposi", "pairs", "columns", "split", "group_pattern"),
    *("records", "embedding_cache", "seeds", "resume"),
)
"""Options that depend on the pairs, or that a single fit has no use for."""


@dataclasses.dataclass(frozen=True)
class Figures:
    """The key of ``metrics.json`` that a fitted model shows; old runs lack it."""

    verdict: str = ""


def given_options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options that parameters set; those that are ``None`` set none.

    Args:
        parameters: of a `PairClassifier`, by name.

    Raises:
        InputError: ``options`` names no option, or one that is set elsewhere; or a value cannot be used.
    """
    further = parameters["options"] or {}
    known = {field.name for field in dataclasses.fields(TrainConfig)} - {*SET_BY_FIT, *OPTIONS.values()}
    if unknown := sorted(further.keys() - known):
        parameter = {option: name for name, option in OPTIONS.items()}.get(unknown[0])
        fix = f"give the parameter {parameter}" if parameter else "give names of train's flags, such as max_steps"
        raise InputError(f"options: {quoted(unknown[0])} cannot be given here; {fix}")
    values = {option: parameters[name] for name, option in OPTIONS.items()} | further
    given = {name: _plain(value) for name, value in values.items() if value is not None}
    bert = str(given["init_checkpoint"])
    if not is_remote(bert) and not exists(bert) and not exists(f"{bert}.index"):
        raise InputError(f"bert: {bert}: no such folder or checkpoint; check the path")
    make_config(TrainConfig, given)  # names a value that cannot be used before anything is read
    return given


def parameters_of(config: TrainConfig) -> dict[str, Any]:
    """Returns the parameters whose fit has the same options as a finished run, apart from its folder."""
    named = {name: getattr(config, option) for name, option in OPTIONS.items() if name != "output_dir"}
    others = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in (*SET_BY_FIT, *OPTIONS.values()) and getattr(config, field.name) != field.default
    }
    return {**named, "options": others}


def _plain(value: object) -> object:
    """Returns a number of NumPy, as a parameter search may give it, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value
