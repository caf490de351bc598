"""Where a model is trained: on one device, on several of this machine, on several machines, or on a TPU.

Training is one code path: variables are made in the strategy's scope, and `distribute` gives every device its rows of
the same global batch. So a step means the same everywhere: the loss is the mean over the global batch, and the learning
rate needs no change.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import socket
from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import tensorflow as tf
from msgspec import Meta

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, quoted, shortened
from checkpoints_tools.common.files import is_remote
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked
from keras_negaposi.config.training import StrategyConfig, TrainConfig
from keras_negaposi.input_pipeline.feature_spec import Features

ResultT = TypeVar("ResultT")

LOCAL = "local"
"""What ``--tpu`` is where the TPU, or a part of it, is in this machine: a TPU VM, Colab."""
TF_CONFIG = "TF_CONFIG"
TF_CONFIG_FORM = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
TASKS = ("chief", "worker")
"""In the order in which they are counted: the first of all writes. A cluster need not have a chief."""
PROBE_S = 10.0
LONGEST_LIST = 300
"""Characters of addresses that a line lists."""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[\w.-]{1,253}):\d{1,5}")


@dataclasses.dataclass(frozen=True)
class _Task:
    type: str
    index: Annotated[int, Meta(ge=0, le=10**6)] | Annotated[str, Meta(pattern=r"^[0-9]{1,6}$")]


@dataclasses.dataclass(frozen=True)
class _TfConfig:
    """What TensorFlow reads of ``TF_CONFIG``."""

    cluster: dict[str, list[str]]
    task: _Task


def choose_strategy(config: StrategyConfig) -> tf.distribute.Strategy:
    """The strategy that the options name, or with ``auto`` the one that fits what is there. Made once a process.

    Raises:
        InputError: there is no such TPU or device, or ``TF_CONFIG`` cannot be used.
    """
    return _strategy(config.strategy, config.tpu, config.tpu_zone, config.gcp_project, config.jit_compile)


@functools.lru_cache
def _strategy(
    name: str, tpu: str | None, zone: str | None, project: str | None, jit_compile: bool
) -> tf.distribute.Strategy:
    gpus = tf.config.list_physical_devices("GPU")
    if name == "auto":
        name = _found(tpu, gpus)
    if jit_compile and not gpus and name in ("mirrored", "multiworker"):
        raise InputError(f"--jit_compile: processors cannot do it with --strategy {name}; leave it out")
    if name == "tpu":
        return _tpu(tpu or LOCAL, zone, project)
    if name == "multiworker":
        return _multiworker()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        say(f"training on {len(devices)} devices: {', '.join(device.name for device in devices)}")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.get_strategy()


def _found(tpu: str | None, gpus: list[tf.config.PhysicalDevice]) -> str:
    if tpu or tf.config.list_physical_devices("TPU"):
        return "tpu"
    if len(_cluster()[0]) > 1:
        return "multiworker"
    return "mirrored" if len(gpus) > 1 else "default"


def check_remote_paths(config: TrainConfig) -> None:
    """Refuses, before anything connects, a path that a TPU in another machine could not read.

    That is the records' alone: checkpoints and exports are read and written by this machine.

    Raises:
        InputError: names the option.
    """
    if not config.tpu or config.tpu == LOCAL or is_remote(config.records or config.output_dir or ""):
        return
    raise InputError(
        f"--records {config.records or '(in --output_dir)'}: the TPU {shortened(config.tpu, 80)} is another "
        "machine and reads the records itself; give a gs:// folder. All other paths may be local"
    )


def check_batch(strategy: tf.distribute.Strategy, batch_size: int) -> None:
    """Refuses a global batch that the devices cannot share evenly.

    Raises:
        InputError: names sizes that they can.
    """
    devices = strategy.num_replicas_in_sync
    if batch_size % devices:
        less, more = batch_size // devices * devices, -(-batch_size // devices) * devices
        either = f"{less} or {more}" if less else str(more)
        raise InputError(f"--train_batch_size {batch_size}: {devices} devices cannot share it evenly; give {either}")


def is_tpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether it is a TPU's."""
    return isinstance(strategy, tf.distribute.TPUStrategy)


def worker_machines() -> list[str]:
    """The processors, by TensorFlow's names, of the other machines that this process has connected to."""
    return [device.name for device in tf.config.list_logical_devices("CPU") if "/job:worker/" in device.name]


def is_multiworker(strategy: tf.distribute.Strategy) -> bool:
    """Whether several processes train one model."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return len(_addresses(strategy.cluster_resolver.cluster_spec().as_dict())) > 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes what all have in common: the first of several workers, or the only one."""
    if not is_multiworker(strategy):
        return True
    resolver = strategy.cluster_resolver
    return _position(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id) == 0


def chief_first(strategy: tf.distribute.Strategy, work: Callable[[], ResultT]) -> ResultT:
    """What ``work`` gives: in the first worker, then in the others, which find done what it has written."""
    result = work() if is_chief(strategy) else None
    if is_multiworker(strategy):  # all wait here for all
        strategy.run(tf.function(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.ones([]))))
    return result if is_chief(strategy) else work()


@contextlib.contextmanager
def lost_workers_named(strategy: tf.distribute.Strategy, mend: str) -> Iterator[None]:
    """Turns what TensorFlow raises when another worker has gone into one line.

    Raises:
        InputError: a worker has gone.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError) as e:
        if not is_multiworker(strategy):
            raise
        reason = e.message.splitlines()[0][:200]
        raise InputError(
            f"another worker has gone, or cannot be reached ({reason}); start all of them again, {mend}"
        ) from None


def distribute(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Batches of (features, labels) over all devices, of which each gets its rows, in order.

    Every worker reads the same batches and leaves the others' rows out, so the order does not depend on their number.
    """
    if strategy.num_replicas_in_sync == 1:
        return batches

    def of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        devices = context.num_replicas_in_sync
        here = devices // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def rows(value: tf.Tensor) -> tf.Tensor:
            """``[batch, ...]`` -> ``[devices here, batch / devices, ...]``."""
            shares = tf.reshape(value, [devices, -1, *tf.unstack(tf.shape(value)[1:])])[first : first + here]
            share = value.shape[0] // devices if value.shape[0] else None
            return tf.ensure_shape(shares, [here, share, *value.shape[1:]])

        def share(features: Features, labels: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(rows, (features, labels)))

        return batches.flat_map(share).prefetch(2)

    return strategy.distribute_datasets_from_function(of_worker)


def _cluster() -> tuple[list[str], int]:
    """Addresses of the workers that ``TF_CONFIG`` names, and which of them this process is; none where it is not set.

    Raises:
        InputError: it is not of the form that TensorFlow reads.
    """
    text = os.environ.get(TF_CONFIG, "")
    if not text.strip():
        return [], 0
    fix = f"write {TF_CONFIG_FORM}, with an index of the list, every machine's own"
    about = checked(_TfConfig, parse_json(text, TF_CONFIG), TF_CONFIG, fix)
    cluster, task, index = about.cluster, about.task.type, int(about.task.index)
    wrong = next((address for address in _addresses(cluster) if not _ADDRESS.fullmatch(address)), None)
    if wrong is not None:
        raise InputError(f"{TF_CONFIG}: {quoted(wrong)} is no host:port; {fix}")
    if task not in TASKS or index >= len(cluster.get(task, [])):
        raise InputError(f"{TF_CONFIG}: there is no task {quoted(task)} {index} in the cluster; {fix}")
    return _addresses(cluster), _position(cluster, task, index)


def _addresses(cluster: dict[str, list[str]]) -> list[str]:
    return [address for task in TASKS for address in cluster.get(task, [])]


def _position(cluster: dict[str, list[str]], task: str, index: int) -> int:
    """Of a task among all addresses."""
    before = TASKS[: TASKS.index(task)]
    return sum(len(cluster.get(name, [])) for name in before) + index


def _multiworker() -> tf.distribute.Strategy:
    workers, index = _cluster()
    if not workers:
        raise InputError(f"--strategy multiworker: set {TF_CONFIG}, which names all workers and this one's index")
    say(f"worker {index} of {shortened(', '.join(workers), LONGEST_LIST)}: waiting for the others")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{TF_CONFIG}: the workers {shortened(', '.join(workers), LONGEST_LIST)} cannot be connected: {reason}"
        ) from None


def _tpu(name: str, zone: str | None, project: str | None) -> tf.distribute.Strategy:
    _check_tpu(name)
    say(f"connecting to the TPU {name}")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name, zone=zone, project=project)
        if name != LOCAL:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except Exception as error:  # the resolver's libraries raise what they like: of HTTP, of credentials, of their own
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(
            f"--tpu {shortened(name, 80)}: cannot be used: {reason}; is it running, are --tpu_zone and --gcp_project "
            "its own, and may this account use it (gcloud auth application-default login)?"
        ) from None


def _check_tpu(name: str) -> None:
    """Finds out quickly what TensorFlow would find out in minutes."""
    if name == LOCAL and not tf.config.list_physical_devices("TPU"):
        raise InputError(
            "--tpu local: TensorFlow finds no TPU in this machine; on a TPU VM install tensorflow-tpu in place of "
            "tensorflow, elsewhere give the TPU's name or leave --tpu out"
        )
    if name.startswith("grpc://"):
        try:
            address = urlsplit(name)
            socket.create_connection((address.hostname or "", address.port or 8470), PROBE_S).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"--tpu {shortened(name, 80)}: nothing answers there ({error}); check the address"
            ) from None
