"""The heads that ``--head`` chooses from, one line each; imports nothing heavy, so that ``--help`` is quick."""

from __future__ import annotations

import dataclasses

JOINT, SEPARATE = "together", "apart"
"""Input layouts: A and B in one input, or in one input each. Records and configurations hold these values."""
SIDES = ("a", "b")

BI_ENCODER = "vector"
"""The head whose ranking is a nearest-neighbour search."""
LATE_INTERACTION = "maxsim"
"""The head that projects the tokens of A and B into one space."""


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """What is known about a head before it is built.

    Attributes:
        layout: `JOINT` or `SEPARATE`; with separate inputs, B's side can be cached.
        summary: the standard term, and what the head does, for help texts.
        in_batch: whether every A of a batch can be compared with every B, for the in-batch loss: the comparison is
            cheap, and no moments of the batch take part in it.
    """

    layout: str
    summary: str
    in_batch: bool = False


HEADS = {
    "pair": HeadSpec(JOINT, "cross-encoder, pooled first token, as in run_classifier.py"),
    "pair_means": HeadSpec(JOINT, "cross-encoder, mean pooling, for a BERT with an untrained pooler"),
    "pair_maxsim": HeadSpec(
        JOINT, "cross-encoder, late interaction and mean pooling, for a BERT with an untrained pooler"
    ),
    BI_ENCODER: HeadSpec(SEPARATE, "bi-encoder, cosine of one vector per text", in_batch=True),
    "dot": HeadSpec(SEPARATE, "dot-product attention over cached tokens"),
    "additive": HeadSpec(SEPARATE, "additive attention over cached tokens"),
    "reduced": HeadSpec(SEPARATE, "dot-product attention under a shared dropout mask"),
    "lowrank": HeadSpec(SEPARATE, "low-rank dot-product attention over cached tokens"),
    LATE_INTERACTION: HeadSpec(
        SEPARATE, "late interaction, each token's highest cosine with the other text's tokens", in_batch=True
    ),
    "midfusion": HeadSpec(SEPARATE, "bi-encoder in the lower layers, cross-encoder in the upper ones"),
}


def is_cacheable(head: str) -> bool:
    """Returns whether B's side of the head can be cached."""
    return HEADS[head].layout == SEPARATE
