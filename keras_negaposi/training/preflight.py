"""What a training needs of the place where it is to run: packages that fit, devices, disk space, usable locations."""

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
from keras_negaposi.config.training import StrategyConfig, TpuConfig
from keras_negaposi.runtime.packages import TENSORFLOWS, installed

DISTRIBUTION = "keras_negaposi"
LIBTPU = "libtpu>=0.0.17,<0.0.37"
"""What tensorflow-tpu 2.20 can be imported with: newer ones abort it."""
LITTLE_DISK = 5 * 10**9
"""Bytes: a checkpoint of a BERT base with Adam's two moments is 1.3 GB, and two may be there with the export."""


class Finding(NamedTuple):
    """``problem`` says whether it has to be mended; ``line`` then ends with how."""

    problem: bool
    line: str


def examine(locations: Iterable[str], config: TpuConfig) -> Iterator[Finding]:
    """Everything, the quick things first.

    Args:
        locations: folders to be written to, local or ``gs://``; those that are missing are made.
        config: names the TPU whose machines have to read what is in the ``gs://`` ones.
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
    """Whether each requirement (``name==2.20.*``) is met by what is installed under that name."""
    there = [name for name in TENSORFLOWS if version_of(name)]
    if len(there) > 1:
        yield Finding(True, f"{' and '.join(there)} overwrite each other; pip uninstall all, and install one")
    wanted = [*requirements, LIBTPU] if "tensorflow-tpu" in there else requirements
    for requirement in map(Requirement, wanted):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = there[0] if requirement.name == TENSORFLOWS[0] and there else requirement.name
        found = version_of(name)
        if found and requirement.specifier.contains(found, prereleases=True):
            yield Finding(False, f"{name} {found}")
        else:
            mend = f"pip install '{name}{requirement.specifier}'"
            yield Finding(True, f"{name} {found or 'is missing'}: {DISTRIBUTION} needs {requirement.specifier}; {mend}")


def examine_devices() -> Iterator[Finding]:
    """What TensorFlow sees."""
    try:
        import tensorflow as tf
    except ImportError as error:
        yield Finding(True, f"tensorflow cannot be imported: {error}; mend the packages first")
        return
    names = [device.name.removeprefix("/physical_device:") for device in tf.config.list_physical_devices()]
    yield Finding(False, f"devices {', '.join(names)}")
    if os.path.exists("/dev/nvidia0") and not tf.config.list_physical_devices("GPU"):
        mend = f"pip install 'tensorflow[and-cuda]=={tf.__version__}'"
        yield Finding(True, f"there is a GPU that TensorFlow cannot use; {mend}")


def examine_tpu(config: TpuConfig) -> tuple[Finding, list[str]]:
    """Connects to it; gives its machines too, unless it is this one."""
    from keras_negaposi.training.strategies import choose_strategy, worker_machines

    try:
        strategy = choose_strategy(StrategyConfig(**dataclasses.asdict(config), strategy="tpu"))
    except InputError as error:
        return Finding(True, str(error)), []
    return Finding(False, f"TPU {config.tpu}, {strategy.num_replicas_in_sync} cores"), worker_machines()


def examine_location(location: str, readers: Sequence[str] = ()) -> Finding:
    """Makes it, writes, lists, reads and deletes a file there, and looks at the space that is left.

    Args:
        location: a folder, local or ``gs://``.
        readers: devices whose machines list and read the file too, if it is not local.
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
    return Finding(little, f"{line}, a run of a BERT base wants {LITTLE_DISK / 1e9:.0f}; make room" if little else line)


def _requirements() -> list[str]:
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        raise InputError(f"{DISTRIBUTION} is not installed; pip install -e . in its folder") from None
