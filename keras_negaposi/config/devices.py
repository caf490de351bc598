"""The devices that a model is trained on."""

from __future__ import annotations

import dataclasses

from checkpoints_tools.common.cli import at_least, option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import HARDWARE

STRATEGIES = ("auto", "default", "mirrored", "multiworker", "tpu")
LOCAL_TPU = "local"
_TPU_HELP = "local: the TPU in this machine; or the name of a TPU, or its grpc:// address"
_TPU_BY_NAME = Needs(
    lambda c: c.tpu and c.tpu != LOCAL_TPU and not c.tpu.startswith("grpc://"),
    "has an effect only where --tpu is the name of a TPU",
)


@dataclasses.dataclass(frozen=True)
class TpuConfig:
    """Which TPU to use."""

    tpu: str | None = option(
        None,
        _TPU_HELP,
        heading=HARDWARE,
    )
    tpu_zone: str | None = option(
        None, "Google Cloud zone of the TPU named by --tpu", heading=HARDWARE, needs=_TPU_BY_NAME
    )
    gcp_project: str | None = option(
        None, "Google Cloud project that owns the TPU named by --tpu", heading=HARDWARE, needs=_TPU_BY_NAME
    )


@dataclasses.dataclass(frozen=True)
class StrategyConfig(TpuConfig):
    """The devices that the model is trained on."""

    tpu: str | None = option(
        None,
        _TPU_HELP,
        heading=HARDWARE,
        needs=Needs(lambda c: c.strategy in ("auto", "tpu"), "has an effect with --strategy auto or tpu only"),
    )

    strategy: str = option(
        "auto",
        "devices to train on. default: one device; mirrored: all GPUs of this machine; multiworker: the machines in "
        "TF_CONFIG; tpu: the TPU of --tpu; auto: the best of these that is available",
        choices=STRATEGIES,
        heading=HARDWARE,
    )
    steps_per_execution: int | None = option(
        None,
        "steps that a device runs before control returns to the host (default: 1; on a TPU 25)",
        kind=int,
        check=at_least(1),
        heading=HARDWARE,
    )
    jit_compile: bool = option(
        False, "compile the training step with XLA; on a TPU this is always done", heading=HARDWARE
    )
