"""Evaluation of the dev part during the training, and what follows from it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from checkpoints_tools.common.cli import at_least, option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.data import AUTO
from keras_negaposi.config.headings import TRAINING

LAST = "last"
"""Value of ``--keep_best`` that keeps the weights of the last step."""
AUTO_EVALUATIONS = 5
"""Number of evaluations after the start for ``--eval_steps auto``."""

_HAS_DEV_PART = Needs(lambda c: c.dev_share, "has no effect without a dev part (--dev_share 0)")
_EVALUATES = Needs(
    lambda c: c.dev_share and c.eval_steps,
    "has no effect without evaluations on a dev part (--eval_steps, --dev_share)",
)


@dataclasses.dataclass(frozen=True)
class DevEvaluationConfig:
    """When the dev part is evaluated, and which weights are kept."""

    eval_steps: int | Literal["auto"] = option(
        AUTO,
        "steps between two evaluations of the dev part, where there is one (--dev_share); the start and the last step "
        f"are evaluated too; auto: 1/{AUTO_EVALUATIONS} of the steps; 0: never",
        kind=int,
        words=(AUTO,),
        check=at_least(0),
        heading=TRAINING,
        needs=_HAS_DEV_PART,
    )
    keep_best: str = option(
        "loss",
        "weights that are scored and exported: those with the lowest loss or the highest accuracy on the dev part, the "
        "earliest of equals; last: those of the last step",
        choices=("loss", "accuracy", LAST),
        heading=TRAINING,
        needs=_EVALUATES,
    )
    patience: int = option(
        0,
        "stop after this many evaluations in a row without a lower dev loss (a higher accuracy with --keep_best "
        "accuracy); 0: never",
        check=at_least(0),
        heading=TRAINING,
        needs=_EVALUATES,
    )

    def steps_between_evaluations(self, total_steps: int) -> int:
        """Returns ``eval_steps`` as a number, for a run of ``total_steps`` steps; 0 for no evaluation."""
        return -(-total_steps // AUTO_EVALUATIONS) if self.eval_steps == AUTO else int(self.eval_steps)

    @property
    def measure(self) -> Literal["loss", "accuracy"]:
        """The dev figure by which evaluations are compared; `LAST` compares the loss, for ``patience``."""
        return "accuracy" if self.keep_best == "accuracy" else "loss"
