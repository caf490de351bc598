"""Chooses the devices to train on: one device, several on this machine, several machines, or a TPU.

All strategies share one code path: variables are created in the strategy's scope, and `data_distribution.distribute`
gives every device its rows of the same global batch. The loss is the mean over the global batch, so the learning rate
does not depend on the number of devices.
"""

from __future__ import annotations

import functools
import socket
from urllib.parse import urlsplit

import tensorflow as tf

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, shortened
from checkpoints_tools.common.files import is_remote
from keras_negaposi.config.devices import StrategyConfig
from keras_negaposi.config.training import TrainConfig
from keras_negaposi.training.multi_worker import connect_workers, read_cluster

LOCAL = "local"
"""Value of ``--tpu`` for a TPU attached to this machine: a TPU VM or Colab."""
PROBE_S = 10.0
"""Seconds to wait for a TPU's address to answer."""


def choose_strategy(config: StrategyConfig) -> tf.distribute.Strategy:
    """Returns the strategy that the options name; ``auto`` picks the one that fits the available devices.

    A process creates it only once; later calls with the same options return the same object.

    Raises:
        InputError: the TPU or device does not exist, or ``TF_CONFIG`` is invalid.
    """
    return _strategy(config.strategy, config.tpu, config.tpu_zone, config.gcp_project, config.jit_compile)


@functools.lru_cache
def _strategy(
    name: str, tpu: str | None, zone: str | None, project: str | None, jit_compile: bool
) -> tf.distribute.Strategy:
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        name = _best_available(tpu, gpus)
    if jit_compile and not gpus and name in ("mirrored", "multiworker"):
        raise InputError(f"--jit_compile: not supported on CPUs with --strategy {name}; leave it out")
    if name == "tpu":
        return _connect_tpu(tpu or LOCAL, zone, project)
    if name == "multiworker":
        return connect_workers()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        say(f"training on {len(devices)} devices: {', '.join(device.name for device in devices)}")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _best_available(tpu: str | None, gpus: list[tf.config.PhysicalDevice]) -> str:
    """Returns the name of the strategy that ``auto`` stands for."""
    if tpu or tf.config.list_physical_devices("TPU"):
        return "tpu"
    if len(read_cluster()[0]) > 1:
        return "multiworker"
    return "mirrored" if len(gpus) > 1 else "default"


def check_remote_paths(config: TrainConfig) -> None:
    """Rejects a local folder of records if the TPU is on another machine; does not connect to anything.

    Only the records are read by the TPU's machine. This machine reads and writes the checkpoints and exports.

    Raises:
        InputError: names the option.
    """
    if not config.tpu or config.tpu == LOCAL or is_remote(config.records or config.output_dir or ""):
        return
    raise InputError(
        f"--records {config.records or '(in --output_dir)'}: the TPU {shortened(config.tpu, 80)} is on another "
        "machine, which reads the records itself; give a gs:// folder (all other paths may be local)"
    )


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether the strategy trains on a TPU."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def worker_machines() -> list[str]:
    """Returns TensorFlow's names for the CPUs of the other machines that this process is connected to."""
    return [device.name for device in tf.config.list_logical_devices("CPU") if "/job:worker/" in device.name]


def _connect_tpu(name: str, zone: str | None, project: str | None) -> tf.distribute.Strategy:
    _check_tpu(name)
    say(f"connecting to the TPU {name}")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name, zone=zone, project=project)
        if name != LOCAL:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # the resolver's libraries raise errors of many types: HTTP, credentials, their own
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            f"--tpu {shortened(name, 80)}: cannot connect: {reason}; check that the TPU is running, that --tpu_zone "
            "and --gcp_project are correct, and that this account may use it (gcloud auth application-default login)"
        ) from None


def _check_tpu(name: str) -> None:
    """Detects within seconds the problems that TensorFlow would report only after minutes."""
    if name == LOCAL and not tf.config.list_physical_devices("TPU"):
        raise InputError(
            "--tpu local: TensorFlow finds no TPU in this machine; on a TPU VM, install tensorflow-tpu instead of "
            "tensorflow; elsewhere, give the TPU's name or leave --tpu out"
        )
    if name.startswith("grpc://"):
        try:
            address = urlsplit(name)
            socket.create_connection((address.hostname or "", address.port or 8470), PROBE_S).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"--tpu {shortened(name, 80)}: nothing answers at this address ({error}); check it"
            ) from None
