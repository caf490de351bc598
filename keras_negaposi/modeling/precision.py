"""Numerical precision of a model: chosen by the user, or for the hardware."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf
import tf_keras


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Lets layers created within compute in ``float32`` or ``bfloat16``; variables stay float32."""
    before = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16" if name == "bfloat16" else name)
    try:
        yield
    finally:
        tf_keras.mixed_precision.set_global_policy(before)


def choose_precision(wanted: str) -> str:
    """Returns ``bfloat16`` or ``float32``; ``auto`` chooses bfloat16 if this machine supports it natively."""
    if wanted != "auto":
        return wanted
    if tf.config.list_logical_devices("TPU"):
        return "bfloat16"
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "bfloat16" if capability >= (8, 0) else "float32"
    return "bfloat16" if _cpu_has_bfloat16() else "float32"


def _cpu_has_bfloat16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = set(file.read().split())
    except OSError:  # not Linux
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})
