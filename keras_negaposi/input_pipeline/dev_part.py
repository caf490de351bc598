"""Splits the pairs as the options say, and decides for ``--dev_share auto`` whether there is a dev part."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import DataConfig
from keras_negaposi.config.data import AUTO, AUTO_DEV_SHARE, SMALLEST_AUTO_DEV
from keras_negaposi.data.pairs import Pair
from keras_negaposi.data.splits import Split, split_pairs

ConfigT = TypeVar("ConfigT", bound=DataConfig)


def split_with_dev(pairs: Sequence[Pair], config: ConfigT) -> tuple[Split, ConfigT]:
    """Splits the pairs.

    ``auto`` depends on nothing but the pairs and the options of the split, so a resumed run, the workers of one
    training, and ``prepare`` and ``train`` on the same data decide alike.

    Args:
        pairs: all labelled pairs.
        config: options of the data.

    Returns:
        The split, and the options with a number in the place of ``dev_share`` ``auto``.

    Raises:
        InputError: the pairs cannot be split.
    """
    split = functools.partial(
        split_pairs,
        pairs,
        config.split,
        config.test_share,
        group_pattern=config.group_pattern,
        seed=config.seed_of_split,
    )
    if config.dev_share != AUTO:
        return split(dev_share=float(config.dev_share)), config
    large_enough = _with_auto_dev(split)
    share = AUTO_DEV_SHARE if large_enough else 0.0
    return large_enough or split(dev_share=0.0), dataclasses.replace(config, dev_share=share)


def _with_auto_dev(split: Callable[..., Split]) -> Split | None:
    """Returns the split with a dev part of `AUTO_DEV_SHARE`, or ``None`` if that part would be too small.

    The documents of a grouped split may make a dev part of another share. They decide neither for so few training
    pairs that only one large document would fill it, nor for a cut that drops most of it.
    """
    try:
        found = split(dev_share=AUTO_DEV_SHARE)
    except InputError:  # a part would lack a class; without a dev part, none may
        return None
    train, dev = len(found.parts["train"]), len(found.parts["dev"])
    planned = math.ceil(AUTO_DEV_SHARE * (train + dev))
    return found if min(planned, dev) >= SMALLEST_AUTO_DEV else None


def why_no_dev(split: Split, method: str) -> str:
    """Returns one line for the user of ``--dev_share auto`` about a split without a dev part.

    Args:
        split: made with this method.
        method: ``random`` or ``grouped``.
    """
    dropped = ", as pairs of two parts would be dropped" if method == "grouped" else ""
    return (
        f"no dev part: setting {AUTO_DEV_SHARE} of the {len(split.parts['train']):,} training pairs aside would not "
        f"give {SMALLEST_AUTO_DEV} pairs{dropped}; --dev_share {AUTO_DEV_SHARE} does it all the same"
    )
