"""Reads and checks everything that a run needs, before anything is written."""

from __future__ import annotations

import dataclasses
import math

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluation.baselines import embedded_rows
from keras_negaposi.evaluation.embedding_cache import load_vectors
from keras_negaposi.input_pipeline.prepared_data import UNLABELLED, Inputs, read_inputs
from keras_negaposi.modeling.heads import check_fits
from keras_negaposi.modeling.pretrained import Pretrained, read_pretrained
from keras_negaposi.training.distillation import add_unlabelled, check_teacher
from keras_negaposi.training.partner import check_partner

MOST_STEPS = 2**31
"""A longer training would take years."""


@dataclasses.dataclass(frozen=True)
class RunInputs:
    """The inputs of a run, read and checked.

    Attributes:
        pretrained: the BERT's checkpoint, configuration and tokenizer.
        inputs: the split pairs.
        total_steps: number of training steps.
    """

    pretrained: Pretrained
    inputs: Inputs
    total_steps: int


def read_run_inputs(config: TrainConfig) -> RunInputs:
    """Reads and checks the inputs of a run; writes nothing.

    Raises:
        InputError: an input is invalid.
    """
    # 1. The checkpoint, the pairs and their split.
    pretrained = read_pretrained(config)
    inputs = read_inputs(config, pretrained.tokenizer, config.layout)

    # 2. Options that depend on them.
    layers = pretrained.bert_config.num_hidden_layers
    if config.frozen_layers > layers:
        raise InputError(f"--frozen_layers {config.frozen_layers}: the encoder has {layers} layers; give fewer")
    check_fits(config, pretrained.bert_config)
    embedded_rows(config, inputs.split.parts["train"])  # the evaluation draws them only after the training
    if config.embedding_cache and exists(config.embedding_cache):
        load_vectors(config.embedding_cache)  # it is read only then, too

    # 3. Other runs, and pairs for distillation.
    check_partner(inputs, config)
    check_teacher(inputs, config)
    inputs = add_unlabelled(inputs, config)
    return RunInputs(pretrained, inputs, _count_steps(inputs, config))


def _count_steps(inputs: Inputs, config: TrainConfig) -> int:
    """Returns the number of steps of the epochs, at most ``max_steps``."""
    pairs = sum(len(inputs.split.parts.get(part, [])) for part in ("train", UNLABELLED))
    steps = min(pairs / config.train_batch_size * config.num_train_epochs, config.max_steps or math.inf)
    if not math.isfinite(steps) or steps >= MOST_STEPS:
        raise InputError(
            f"--num_train_epochs {config.num_train_epochs}: would take {steps:.3g} steps; give fewer epochs"
        )
    if not int(steps) and config.num_train_epochs:
        raise InputError(
            f"--train_batch_size {config.train_batch_size}: {pairs} training pairs and {config.num_train_epochs} "
            "epochs are less than one step; give a smaller batch or more epochs"
        )
    return int(steps)
