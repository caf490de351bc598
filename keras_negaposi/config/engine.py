"""Who does the work that falls into independent items."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from checkpoints_tools.common.cli import option, path_option


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """Who: the process itself, or a runner of Apache Beam."""

    runner: str | None = option(
        None,
        "do the work by Apache Beam (extra beam): DirectRunner, DataflowRunner, FlinkRunner, SparkRunner (default: in "
        "this process)",
    )
    runner_options: Sequence[str] | None = option(
        None, "of the runner, as it documents them: project=mine region=us-east1", several=True
    )
    runner_folder: str | None = path_option(
        None, "folder that the runner's workers see too, for what is exchanged (default: in the output folder)"
    )
