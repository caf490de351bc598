"""Which program executes work that consists of independent items."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checkpoints_tools.common.cli import option, path_option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import HARDWARE

_WITH_RUNNER = Needs(lambda c: c.runner, "has no effect without --runner")


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """The process itself, or a runner of Apache Beam."""

    runner: str | None = option(
        None,
        "Apache Beam runner that does the work (extra beam): DirectRunner, DaskRunner, DataflowRunner, "
        "FlinkRunner, SparkRunner "
        "(default: this process does it)",
        heading=HARDWARE,
    )
    runner_options: Sequence[str] | None = option(
        None,
        "options of the runner, as its documentation names them: project=mine region=us-east1",
        several=True,
        heading=HARDWARE,
        needs=_WITH_RUNNER,
    )
    runner_folder: str | None = path_option(
        None,
        "folder for intermediate files; all workers of the runner must reach it (default: in the output folder)",
        heading=HARDWARE,
        needs=_WITH_RUNNER,
    )
