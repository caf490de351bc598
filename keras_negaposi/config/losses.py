"""The loss that is trained."""

from __future__ import annotations

import dataclasses

from checkpoints_tools.common.cli import option
from checkpoints_tools.common.options import Needs
from keras_negaposi.config.headings import TRAINING
from keras_negaposi.config.heads import HEADS

BINARY, IN_BATCH, BINARY_AND_IN_BATCH = "binary", "contrastive", "both"
"""Values of ``--loss``."""

_IN_BATCH_HEAD = Needs(
    lambda c: HEADS[c.head].in_batch,
    "has an effect only with these heads: " + ", ".join(name for name, head in HEADS.items() if head.in_batch),
)


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """What the training minimises."""

    loss: str = option(
        BINARY,
        "binary: cross-entropy of the labels; contrastive: the in-batch loss, by which A's next page has to score "
        "higher than the other pages of a batch of similar documents, for ranking; both: the sum of these",
        choices=(BINARY, IN_BATCH, BINARY_AND_IN_BATCH),
        heading=TRAINING,
        needs=_IN_BATCH_HEAD,
    )
