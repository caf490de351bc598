"""Checks, before a training, the installed packages, the devices, the disk space and the output folders."""

from __future__ import annotations

import dataclasses
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, requires
from typing import NamedTuple

from packaging.requirements import Requirement

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import is_remote
from checkpoints_tools.common.gcs import probe
from keras_negaposi.config.devices import StrategyConfig, TpuConfig
from keras_negaposi.runtime.packages import TENSORFLOWS, installed

DISTRIBUTION = "keras_negaposi"
LIBTPU = "libtpu>=0.0.17,<0.0.37"
"""Versions that work with tensorflow-tpu 2.20; with a newer one, importing it aborts the process."""
LITTLE_DISK = 5 * 10**9
"""Bytes: a checkpoint of BERT base with Adam's two moments is 1.3 GB, and a run stores two of them and the export."""


class Finding(NamedTuple):
    """One result of the checks.

    Attributes:
        problem: whether it must be fixed.
        line: describes it; for a problem, it ends with the fix.
    """

    problem: bool
    line: str


def examine(locations: Iterable[str], config: TpuConfig) -> Iterator[Finding]:
    """Runs all checks, the quick ones first.

    Args:
        locations: output folders, local or ``gs://``; missing ones are created.
        config: names the TPU; its machines must be able to read the ``gs://`` folders.
    """
    yield Finding(False, f"python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors")
    yield from examine_packages(_requirements(), installed)
    yield from examine_devices()
    readers: list[str] = []
    if config.tpu:
        finding, readers = examine_tpu(config)
        yield finding
    for location in locations:
        yield examine_location(location, readers)


def examine_packages(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> Iterator[Finding]:
    """Checks that each requirement (``name==2.20.*``) is met by the installed version of that package."""
    tensorflows = [name for name in TENSORFLOWS if version_of(name)]
    if len(tensorflows) > 1:
        yield Finding(
            True, f"{' and '.join(tensorflows)} overwrite each other's files; pip uninstall all, then install one"
        )
    wanted = [*requirements, LIBTPU] if "tensorflow-tpu" in tensorflows else requirements
    for requirement in map(Requirement, wanted):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = tensorflows[0] if requirement.name == TENSORFLOWS[0] and tensorflows else requirement.name
        version = version_of(name)
        if version and requirement.specifier.contains(version, prereleases=True):
            yield Finding(False, f"{name} {version}")
        else:
            fix = f"pip install '{name}{requirement.specifier}'"
            yield Finding(
                True, f"{name} {version or 'is missing'}: {DISTRIBUTION} needs {requirement.specifier}; {fix}"
            )


def examine_devices() -> Iterator[Finding]:
    """Checks that TensorFlow can be imported, lists its devices, and reports a GPU that it cannot use."""
    try:
        import tensorflow as tf
    except ImportError as error:
        yield Finding(True, f"tensorflow cannot be imported: {error}; fix the packages first")
        return
    names = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    yield Finding(False, f"devices {', '.join(names)}")
    if os.path.exists("/dev/nvidia0") and not tf.config.list_physical_devices("GPU"):
        fix = f"pip install 'tensorflow[and-cuda]=={tf.__version__}'"
        yield Finding(True, f"this machine has a GPU that TensorFlow cannot use; {fix}")


def examine_tpu(config: TpuConfig) -> tuple[Finding, list[str]]:
    """Connects to the TPU; also returns TensorFlow's names for its machines, unless it is in this machine."""
    from keras_negaposi.training.strategies import choose_strategy, worker_machines

    try:
        strategy = choose_strategy(StrategyConfig(**dataclasses.asdict(config), strategy="tpu"))
    except InputError as error:
        return Finding(True, str(error)), []
    return Finding(False, f"TPU {config.tpu}, {strategy.num_replicas_in_sync} cores"), worker_machines()


def examine_location(location: str, readers: Sequence[str] = ()) -> Finding:
    """Creates the folder; writes, lists, reads and deletes a file in it; and checks the free disk space.

    Args:
        location: a folder, local or ``gs://``.
        readers: devices whose machines must list and read the file too, if the folder is remote.
    """
    remote = is_remote(location)
    try:
        probe(location, readers if remote else ())
    except InputError as error:
        return Finding(True, str(error))
    line = f"{location}: written, listed, read, deleted"
    if remote and readers:
        line += f", and read by {', '.join(readers)}"
    if remote:
        return Finding(False, line)
    free = shutil.disk_usage(location).free
    line = f"{line}; {free / 1e9:,.1f} GB free"
    little = free < LITTLE_DISK
    if little:
        line += f", but a run with BERT base needs {LITTLE_DISK / 1e9:.0f} GB; free some space"
    return Finding(little, line)


def _requirements() -> list[str]:
    """Returns the installed package's own requirements."""
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        raise InputError(f"{DISTRIBUTION} is not installed; run pip install -e . in its folder") from None
