"""Evaluation of the dev part during the training, and what follows from it."""

from __future__ import annotations

import dataclasses
from typing import Literal, cast

from checkpoints_tools.common.cli import at_least, option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.data import AUTO
from keras_negaposi.config.headings import TRAINING
from keras_negaposi.config.heads import HEADS
from keras_negaposi.config.losses import IN_BATCH, LossConfig

Measure = Literal["loss", "accuracy", "recall"]
"""Dev figures by which evaluations can be compared."""
LAST = "last"
"""Value of ``--keep_best`` that keeps the weights of the last step."""
AUTO_EVALUATIONS = 5
"""Number of evaluations after the start for ``--eval_steps auto``."""

_HAS_DEV_PART = Needs(lambda c: c.dev_share, "has no effect without a dev part (--dev_share 0)")
_KEEPS_SOME = Needs(
    lambda c: c.dev_share and c.eval_steps and (c.keep_best != "recall" or HEADS[c.head].in_batch),
    "has an effect only with evaluations on a dev part (--eval_steps, --dev_share), and recall only with the heads "
    "vector and maxsim",
)
_EVALUATES = Needs(
    lambda c: c.dev_share and c.eval_steps,
    "has no effect without evaluations on a dev part (--eval_steps, --dev_share)",
)
RECALL_AT = 10
"""The true page has to be among as many."""


@dataclasses.dataclass(frozen=True)
class DevEvaluationConfig(LossConfig):
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
        AUTO,
        "weights that are scored and exported: those with the lowest loss, the highest accuracy or the highest recall "
        f"on the dev part, the earliest of equals; recall: how often B is among the {RECALL_AT} pages of that part "
        "that score highest (heads vector and maxsim); last: those of the last step; auto: recall with --loss "
        "contrastive, which trains no probabilities, otherwise loss",
        choices=(AUTO, "loss", "accuracy", "recall", LAST),
        heading=TRAINING,
        needs=_KEEPS_SOME,
    )
    patience: int = option(
        0,
        "stop after this many evaluations in a row in which the figure of --keep_best (with last: of auto) was not "
        "better; 0: never",
        check=at_least(0),
        heading=TRAINING,
        needs=_EVALUATES,
    )

    def steps_between_evaluations(self, total_steps: int) -> int:
        """Returns ``eval_steps`` as a number, for a run of ``total_steps`` steps; 0 for no evaluation."""
        return -(-total_steps // AUTO_EVALUATIONS) if self.eval_steps == AUTO else int(self.eval_steps)

    @property
    def measure(self) -> Measure:
        """The dev figure by which evaluations are compared."""
        if self.keep_best in (AUTO, LAST):
            return "recall" if self.loss == IN_BATCH else "loss"
        return cast(Measure, self.keep_best)
