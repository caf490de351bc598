"""Lets the head of a new run start from data: the frozen encoder encodes a sample of the labelled training pairs."""

from __future__ import annotations

import functools
import time

import numpy as np
import tensorflow as tf
import tf_keras

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.progress import Ticker, duration
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.heads import SIDES
from keras_negaposi.data.pairs import Pairs
from keras_negaposi.input_pipeline.packing import PairPreprocessor, SeparatePreprocessor
from keras_negaposi.input_pipeline.prepared_data import Inputs
from keras_negaposi.modeling.frozen_encoder import FrozenEncoder
from keras_negaposi.modeling.pretrained import Pretrained
from keras_negaposi.modeling.start import Sample
from keras_negaposi.runtime.tf_functions import traced
from keras_negaposi.training.multi_worker import of_chief

MOST_PAIRS = 512
MOST_TOKENS = 40_000
"""Limits the time: about half a minute of processor time for a 12-layer encoder of width 384."""
BATCH = 16
"""Texts or pairs per step: larger batches contain more padding."""


def start_from_data(
    model: tf_keras.Model, config: TrainConfig, pretrained: Pretrained, inputs: Inputs, strategy: tf.distribute.Strategy
) -> None:
    """Assigns the values with which the head starts, if it takes them from data; the encoder keeps its own.

    Args:
        model: of a new run, created in the strategy's scope.
        config: of the run.
        pretrained: the encoder that the model contains.
        inputs: of the run; only its labelled training pairs are used.
        strategy: all of its devices get the same values.
    """
    preprocessor = inputs.preprocessor
    if not hasattr(model, "start"):
        return
    started = time.perf_counter()
    pairs = draw_pairs(inputs, preprocessor, config.seed)
    sample = encode_sample(pairs, inputs.data.texts, preprocessor, pretrained)
    values = model.start(sample)
    with strategy.scope():
        for variable, value in values:
            variable.assign(of_chief(strategy, value.astype(np.float32)))
    took = duration(time.perf_counter() - started)
    say(f"the head starts from {len(pairs):,} training pairs as the frozen encoder sees them, in {took}")


def draw_pairs(inputs: Inputs, preprocessor: PairPreprocessor, seed: int) -> Pairs:
    """Draws labelled training pairs of both classes: up to `MOST_PAIRS`, of up to `MOST_TOKENS` tokens together.

    Self-labelled pairs are left out.
    """
    train = inputs.split.parts["train"]
    labelled = {(pair.a, pair.b) for pair in inputs.data.pairs}
    rows = np.flatnonzero([(pair.a, pair.b) in labelled for pair in train])
    rows = np.random.default_rng(seed).permutation(rows)
    # A pair of either class comes first, so that both are there however few pairs are taken.
    _, first = np.unique(train.labels[rows], return_index=True)
    drawn = train.take(np.r_[rows[first], np.delete(rows, first)][:MOST_PAIRS])
    tokens = np.cumsum(_count_tokens(drawn, inputs.data.texts, preprocessor))
    return drawn[: max(len(first), int(np.searchsorted(tokens, MOST_TOKENS, side="right")))]


def encode_sample(
    pairs: Pairs, texts: dict[str, str], preprocessor: PairPreprocessor, pretrained: Pretrained
) -> Sample:
    """Encodes the pairs' texts, cut as the head's inputs are, with the frozen encoder.

    The arithmetic is float32, because the texts may be encoded on a processor without bfloat16 instructions.
    """
    encoder = FrozenEncoder(pretrained, preprocessor.max_seq_length, "float32")
    a, b = ([texts[getattr(pair, side)] for pair in pairs] for side in SIDES)
    if isinstance(preprocessor, SeparatePreprocessor):
        encoded = {}
        for side, of_side in zip(SIDES, (a, b), strict=True):
            pack = traced(functools.partial(preprocessor.side, side), [tf.TensorSpec([None], tf.string)])
            tick = Ticker(f"the frozen encoder encodes {side.upper()} of the head's sample", len(pairs))
            encoded[side] = encoder.token_states(of_side, pack, BATCH, tick)
        return Sample(encoded["a"], encoded["b"], pairs.labels)
    tick = Ticker("the frozen encoder encodes the head's sample", len(pairs))
    of_a, of_b = zip(*encoder.pair_states(list(zip(a, b, strict=True)), preprocessor.traced, BATCH, tick), strict=True)
    return Sample(of_a, of_b, pairs.labels)


def _count_tokens(pairs: Pairs, texts: dict[str, str], preprocessor: PairPreprocessor) -> np.ndarray:
    """Returns the number of tokens of each pair, special ones included, after its texts are cut: ``int [pairs]``."""
    sides = ([texts[getattr(pair, side)] for pair in pairs] for side in SIDES)
    lengths = np.stack([[len(ids) for ids in preprocessor.tokenizer.encode_arrays(of_side)] for of_side in sides], 1)
    return lengths.sum(axis=1) - preprocessor.pieces_cut(lengths) + preprocessor.special_ids
