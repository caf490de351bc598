"""Turns Python functions into TensorFlow graphs without AutoGraph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def traced(work: Callable[..., Any], signature: Sequence[Any]) -> tf.types.experimental.PolymorphicFunction:
    """Returns ``work`` as a `tf.function` that is traced once, for the given signature.

    ``work`` must not use a Python ``if`` or loop on the value of a tensor, because AutoGraph, which would convert these
    and takes seconds, is off.
    """
    return tf.function(work, input_signature=signature, autograph=False)


plain = tf.autograph.experimental.do_not_convert
"""Decorator that turns AutoGraph off for a function that ``tf.data`` maps."""
