"""Python functions as TensorFlow graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def traced(work: Callable[..., Any], signature: Sequence[Any]) -> tf.types.experimental.PolymorphicFunction:
    """``work``, traced once for a signature.

    It must have no Python ``if`` or loop over a tensor's value: looking for those (AutoGraph) takes seconds.
    """
    return tf.function(work, input_signature=signature, autograph=False)


plain = tf.autograph.experimental.do_not_convert
"""The same for what ``tf.data`` maps."""
