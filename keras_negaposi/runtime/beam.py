"""The executor for several machines: Apache Beam, whose runner may be Dask, Dataflow, Flink, Spark, or this process.

Items and results are exchanged as files in a folder that all machines can reach, so the pipeline itself stays small.
The files contain data only (`value_bytes`), so nobody who can write to the folder can make a worker run code. Beam's
own collections would pickle the items into the pipeline, and yield the results in any order.

Bad input comes back as a file too: a runner would print its traceback, add to its message, or try the item again.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from checkpoints_tools.common import outputs, temporary
from checkpoints_tools.common.errors import RUN_AGAIN, InputError
from checkpoints_tools.common.files import (
    exists,
    is_remote,
    join,
    make_folder,
    read_bytes,
    remove_tree,
    sweep,
    write_bytes,
)
from checkpoints_tools.common.value_bytes import decode, encode
from keras_negaposi.config.engine import EngineConfig
from keras_negaposi.runtime.executors import Engine, ItemT, MakeWork, ResultT

if TYPE_CHECKING:
    import apache_beam

Classes = Mapping[str, type]
NO_CLASSES: Classes = {}
DASK = "DaskRunner"
FULL_NAMES = {DASK: "apache_beam.runners.dask.dask_runner.DaskRunner"}
"""Runners that Beam does not know by their short names."""


def engine_of(config: EngineConfig, folder: str, here: Engine, classes: Classes = NO_CLASSES) -> Engine:
    """Returns the executor that the options choose.

    Args:
        config: the options; may name a Beam runner.
        folder: the output folder, where files are exchanged unless ``config.runner_folder`` names another one.
        here: the executor to use if the options name no runner.
        classes: dataclasses that items and results may contain in addition to the types of `value_bytes`, by name.

    Raises:
        InputError: the runner does not exist.
    """
    if not config.runner:
        return here
    return Beam(config.runner, config.runner_options or (), config.runner_folder or folder, classes)


def for_workers(config: EngineConfig, path: str) -> str:
    """Returns a path that means the same to a runner's workers, whose working directory may be another one."""
    return _absolute(path) if config.runner else path


def _absolute(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)


class Beam:
    """An executor that runs the work as an Apache Beam pipeline.

    Args:
        runner: Beam's name of the runner.
        options: options of the runner, each as ``name=value`` or ``name``.
        folder: where a temporary folder for the exchanged files is created.
        classes: as in `engine_of`.

    Raises:
        InputError: Beam or the runner is not installed, the runner does not exist, or an option has a bad value.
    """

    def __init__(self, runner: str, options: Sequence[str], folder: str, classes: Classes = NO_CLASSES) -> None:
        try:
            import apache_beam
            from apache_beam.options.pipeline_options import PipelineOptions
        except ImportError:
            raise InputError(f"--runner {runner}: Apache Beam is missing; pip install 'keras_negaposi[beam]'") from None
        try:
            self._runner = apache_beam.runners.create_runner(FULL_NAMES.get(runner, runner))
        except (ValueError, ImportError, AttributeError) as error:
            fix = "; pip install 'apache-beam[dask]'" if runner == DASK else ""
            raise InputError(f"--runner {runner}: {error}{fix}") from None
        if runner == DASK and not any("partition" in option for option in options):
            options = [*options, "dask_partition_size=1"]  # its default gives up to 128 items to one worker
        try:
            with contextlib.redirect_stderr(io.StringIO()) as refusal:
                self._options = PipelineOptions([f"--{option.removeprefix('--')}" for option in options])
                self._options.get_all_options()
        except SystemExit:  # of argparse, after it has printed all flags of Beam and then the problem
            problem = refusal.getvalue().strip().rpartition("error: ")[2]
            raise InputError(f"--runner_options: {problem}; give options that {runner} has") from None
        self._name = runner
        self._folder = _absolute(folder)
        self._classes = classes

    def __call__(self, make_work: MakeWork[ItemT, ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Yields the results in the order of the items, after all items have been processed.

        Raises:
            InputError: of the work; or the runner cannot be reached, or its workers died.
        """
        with _exchange(self._folder) as folder:
            # Write the items
            count = 0
            for item in items:
                write_bytes(_item(folder, count), encode(item, self._classes))
                count += 1
            # Let the workers read them and write the results
            try:
                self._run(_do(make_work, folder, self._classes), count)
            except Exception as error:
                if not _is_of_runner(error):
                    raise
                problem = str(error).rstrip(".")
                raise InputError(f"--runner {self._name}: {problem}; check its workers, then {RUN_AGAIN}") from error
            if exists(_problem(folder)):
                raise InputError(read_bytes(_problem(folder)).decode())
            # Read the results
            for number in range(count):
                yield decode(read_bytes(_result(folder, number)), _result(folder, number), self._classes)

    def _run(self, do: apache_beam.DoFn, count: int) -> None:
        import apache_beam

        pipeline = apache_beam.Pipeline(runner=self._runner, options=self._options)
        try:
            with pipeline:
                pipeline | apache_beam.Create(range(count)) | apache_beam.Reshuffle() | apache_beam.ParDo(do)
        finally:
            # Beam leaves the connection to Dask open, and with it the workers, if it started them itself.
            if client := getattr(getattr(pipeline, "result", None), "client", None):
                client.close()


def _is_of_runner(error: Exception) -> bool:
    """Returns whether Dask gave up: it lost a worker too often (`KilledWorker`), or cannot be reached."""
    refused = isinstance(error, OSError) and error.errno is None
    return refused or type(error).__module__.partition(".")[0] == "distributed"


@contextlib.contextmanager
def _exchange(folder: str) -> Iterator[str]:
    """Creates a folder for this job, and removes it at the end.

    If the job is killed, the next one removes the folder, except on an object store, where it stays.
    """
    if is_remote(folder):
        path = join(folder, f"{temporary.PREFIX}{uuid.uuid4().hex}{temporary.SUFFIX}")
        make_folder(path)
        try:
            yield path
        finally:
            remove_tree(path)
        return
    make_folder(folder)
    sweep(folder)
    with temporary.folder(folder) as path:
        outputs.open_to_others(path)
        yield path


def _do(make_work: MakeWork[ItemT, ResultT], folder: str, classes: Classes) -> apache_beam.DoFn:
    import apache_beam

    class Do(apache_beam.DoFn):
        def setup(self) -> None:
            self._work = functools.cache(make_work)

        def process(self, number: int) -> None:
            if exists(_result(folder, number)) or exists(_problem(folder)):  # Beam may process an item twice
                return
            try:
                item = decode(read_bytes(_item(folder, number)), _item(folder, number), classes)
                write_bytes(_result(folder, number), encode(self._work()(item), classes))
            except InputError as error:
                write_bytes(_problem(folder), str(error).encode())

    return Do()


def _item(folder: str, number: int) -> str:
    return join(folder, f"item-{number:06d}")


def _result(folder: str, number: int) -> str:
    return join(folder, f"result-{number:06d}")


def _problem(folder: str) -> str:
    return join(folder, "problem")
