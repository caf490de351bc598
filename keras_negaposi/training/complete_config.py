"""Completes the configuration of a new run: the files next to the checkpoint, and what the recipe chooses."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from checkpoints_tools.common.options import make_config
from keras_negaposi.config import HeadConfig, TrainConfig, check_complete, check_pairs_given, complete_model_files
from keras_negaposi.runtime.resume import check_unused

LOSS = "loss"


def complete_config(values: Mapping[str, Any], given: Mapping[str, Any], has_recipe: bool = True) -> TrainConfig:
    """Returns the complete configuration of a new run.

    Args:
        values: options by name, with ``output_dir``.
        given: those of them that the user gave, which must have an effect.
        has_recipe: whether a recipe chooses options that are not given; see `recipes.default_recipe`.

    Raises:
        InputError: an option is missing or cannot be used, or the run's folder is not empty.
    """
    completed = complete_model_files(dict(values))
    check_pairs_given(completed)
    check_complete(completed)
    if has_recipe:
        completed = _with_recipe(completed, given)
    config = make_config(TrainConfig, completed, given)
    check_unused(config.output_dir)
    return config


def _with_recipe(values: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options with those that the recipe chooses."""
    # What the files do not decide is checked first. Whether these have an effect depends on the head, which the recipe
    # may choose.
    of_head = {field.name for field in dataclasses.fields(HeadConfig)} | {LOSS}
    config = make_config(TrainConfig, values, given.keys() - of_head)
    check_unused(config.output_dir)
    from keras_negaposi.training.recipe import apply_recipe  # TensorFlow takes seconds to import

    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    return apply_recipe(values, given, defaults)
