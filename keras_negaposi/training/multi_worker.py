"""Training in several processes: ``TF_CONFIG``, the chief worker, and lost workers."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from typing import Annotated, TypeVar

import tensorflow as tf
from msgspec import Meta

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError, quoted, shortened
from checkpoints_tools.common.json_text import parse_json
from checkpoints_tools.common.schema import checked

ResultT = TypeVar("ResultT")

TF_CONFIG = "TF_CONFIG"
TF_CONFIG_FORM = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
TASKS = ("chief", "worker")
"""Task types in the order in which workers are numbered; worker 0 writes the files. A chief is optional."""
LONGEST_LIST = 300
"""Maximum number of characters for a list of addresses in a message."""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[\w.-]{1,253}):\d{1,5}")


@dataclasses.dataclass(frozen=True)
class _Task:
    type: str
    index: Annotated[int, Meta(ge=0, le=10**6)] | Annotated[str, Meta(pattern=r"^[0-9]{1,6}$")]


@dataclasses.dataclass(frozen=True)
class _TfConfig:
    """The part of ``TF_CONFIG`` that TensorFlow reads."""

    cluster: dict[str, list[str]]
    task: _Task


def connect_workers() -> tf.distribute.Strategy:
    """Connects to the workers that ``TF_CONFIG`` lists; waits until all of them have started.

    Raises:
        InputError: ``TF_CONFIG`` is missing or invalid, or the workers cannot be connected.
    """
    workers, index = read_cluster()
    if not workers:
        raise InputError(f"--strategy multiworker: set {TF_CONFIG} to the list of all workers and this worker's index")
    addresses = shortened(", ".join(workers), LONGEST_LIST)
    say(f"worker {index} of {addresses}: waiting for the other workers")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{TF_CONFIG}: cannot connect the workers {addresses}: {reason}") from None


def read_cluster() -> tuple[list[str], int]:
    """Returns the addresses of all workers in ``TF_CONFIG`` and this process's index; ``([], 0)`` if it is not set.

    Raises:
        InputError: ``TF_CONFIG`` does not have the form that TensorFlow reads.
    """
    text = os.environ.get(TF_CONFIG, "")
    if not text.strip():
        return [], 0
    fix = f"write {TF_CONFIG_FORM}, with a different index on each machine"
    about = checked(_TfConfig, parse_json(text, TF_CONFIG), TF_CONFIG, fix)
    cluster, task, index = about.cluster, about.task.type, int(about.task.index)
    invalid = next((address for address in _addresses(cluster) if not _ADDRESS.fullmatch(address)), None)
    if invalid is not None:
        raise InputError(f"{TF_CONFIG}: {quoted(invalid)} is not a host:port; {fix}")
    if task not in TASKS or index >= len(cluster.get(task, [])):
        raise InputError(f"{TF_CONFIG}: the cluster has no task {quoted(task)} {index}; {fix}")
    return _addresses(cluster), _position(cluster, task, index)


def is_multiworker(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether several processes train one model."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return len(_addresses(strategy.cluster_resolver.cluster_spec().as_dict())) > 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process writes the shared files: it is the only one, or the first of several workers."""
    if not is_multiworker(strategy):
        return True
    resolver = strategy.cluster_resolver
    return _position(resolver.cluster_spec().as_dict(), resolver.task_type, resolver.task_id) == 0


def chief_first(strategy: tf.distribute.Strategy, work: Callable[[], ResultT]) -> ResultT:
    """Calls ``work`` in the chief, then in the other workers, which can read the files that the chief has written."""
    chief = is_chief(strategy)
    if chief:
        result = work()
    if is_multiworker(strategy):  # a barrier: every worker waits here for all others
        strategy.run(tf.function(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.ones([]))))
    if not chief:
        result = work()
    return result


def chiefs_answer(strategy: tf.distribute.Strategy, answer: bool) -> bool:
    """Returns the chief's ``answer`` in every worker; all workers call it after the same step, and wait here."""
    if not is_multiworker(strategy):
        return answer
    mine = float(answer and is_chief(strategy))
    # The number is a constant of the function: an argument would have no device, which `all_reduce` needs.
    add = tf.function(lambda: tf.distribute.get_replica_context().all_reduce("SUM", tf.constant(mine)))
    total = strategy.experimental_local_results(strategy.run(add))[0]
    return bool(total > 0)


@contextlib.contextmanager
def explain_lost_workers(strategy: tf.distribute.Strategy, how_to_resume: str) -> Iterator[None]:
    """Turns TensorFlow's errors about a lost worker into a one-line message.

    Raises:
        InputError: another worker was lost.
    """
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError) as e:
        if not is_multiworker(strategy):
            raise
        reason = e.message.splitlines()[0][:200]
        raise InputError(
            f"another worker has stopped or cannot be reached ({reason}); start all workers again; {how_to_resume}"
        ) from None


def _addresses(cluster: dict[str, list[str]]) -> list[str]:
    return [address for task in TASKS for address in cluster.get(task, [])]


def _position(cluster: dict[str, list[str]], task: str, index: int) -> int:
    """Returns the position of a task in `_addresses`."""
    before = TASKS[: TASKS.index(task)]
    return sum(len(cluster.get(name, [])) for name in before) + index
