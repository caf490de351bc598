"""Applies a recipe: reads what it depends on from the files, and says what it chose."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.formats.base import Weights
from checkpoints_tools.source import open_source
from keras_negaposi.config import ModelFiles, PairSource
from keras_negaposi.config.recipes import CHOSEN, HEAD, NONE, Facts, choose, default_recipe
from keras_negaposi.data.adjacency import adjacency
from keras_negaposi.data.documents import Documents
from keras_negaposi.readers.pair_source import read_source
from keras_negaposi.tokenizers.opening import open_tokenizer

POOLER_BIAS = "bert/pooler/dense/bias"
MEASURED_TEXTS = 2_000
"""Number of texts whose lengths are measured, evenly spaced in the file."""


def apply_recipe(values: Mapping[str, Any], given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options with those that the recipe chooses; options that are given stay as they are.

    Args:
        values: the options, with all files.
        given: those of the command line.
        defaults: of the options that a recipe's facts depend on.

    Raises:
        InputError: a file cannot be used.
    """
    recipe = given.get("recipe") or default_recipe(given)
    if recipe == NONE:
        named = sorted(CHOSEN & given.keys(), key=lambda name: (name == HEAD, name))
        if named and "recipe" not in given:
            say(f"no recipe, because --{named[0]} is given; --recipe quick chooses the settings that are not given")
        return {**values, "recipe": recipe}
    choices = choose(recipe, read_facts({**defaults, **values}), given.get(HEAD))
    say(f"recipe {recipe}; every flag overrides it:")
    for option, value, reason in choices:
        line = f"--{option} {given[option]}: given" if option in given else f"--{option} {value}: {reason}"
        say(f"  {line}")
    return {**{choice.option: choice.value for choice in choices}, **values, "recipe": recipe}


def read_facts(values: Mapping[str, Any]) -> Facts:
    """Reads what recipes depend on; see `Facts`.

    Raises:
        InputError: a file cannot be used.
    """
    source = open_source(values["init_checkpoint"], values["bert_config_file"], values["num_attention_heads"])
    data = read_source(PairSource(**_options_of(PairSource, values)))
    texts = data.texts
    tokenizer = open_tokenizer(ModelFiles(**_options_of(ModelFiles, values)))
    some = list(texts.values())[:: max(1, len(texts) // MEASURED_TEXTS)]
    return Facts(
        trained_pooler=has_trained_pooler(source.weights),
        layers=source.config.num_hidden_layers,
        positions=source.config.max_position_embeddings,
        pairs=len(data.pairs),
        adjacent=len(adjacency(texts, Documents(values["group_pattern"])).pairs),
        pieces=int(np.quantile([len(ids) for ids in tokenizer.encode(some)], 0.9)),
        takes_partner=bool(values["hybrid"] and values["dev_share"] and not values["ensemble"] and tokenizer.in_graph),
    )


def _options_of(config_class: type, values: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in dataclasses.fields(config_class)}


def has_trained_pooler(weights: Weights) -> bool:
    """Returns whether the checkpoint's pooler was trained: its bias starts at 0 and leaves it with the first step."""
    return POOLER_BIAS in weights and bool(np.any(weights[POOLER_BIAS]))
