"""Whether the figures of a run can be believed: one word, by rule, from the reasons to doubt them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

BELIEVABLE, DOUBTFUL, NOT_USABLE = "believable", "doubtful", "not usable"
NOT_MEASURED = "not measured"
"""The status of a run without a test part."""
NOTHING_FOUND = (
    "it clearly beats every baseline, and neither leakage nor the controls explain its accuracy in another way"
)


@dataclasses.dataclass(frozen=True)
class Finding:
    """A reason to doubt the figures.

    Attributes:
        reason: the reason in a few words, the end of a sentence.
        text: one or two sentences with the figures.
        advice: what to do about it, one sentence.
        disqualifies: whether the model is of no use as long as this holds.
    """

    reason: str
    text: str
    advice: str
    disqualifies: bool = False

    @property
    def line(self) -> str:
        """The entry in the ``warnings`` of ``metrics.json``, and the warning in a terminal."""
        return f"{self.text} {self.advice}"


@dataclasses.dataclass(frozen=True)
class Status:
    """The status and its reason. The fields are keys of ``metrics.json``."""

    level: str
    reason: str


def status_of(findings: Sequence[Finding]) -> Status:
    """Returns the status that follows from the findings.

    `NOT_USABLE` if one of them disqualifies the model; otherwise `DOUBTFUL` if there is any; otherwise `BELIEVABLE`.
    The reason is that of the first finding that decides, and the number of the others.
    """
    if not findings:
        return Status(BELIEVABLE, NOTHING_FOUND)
    first = next((finding for finding in findings if finding.disqualifies), findings[0])
    others = len(findings) - 1
    more = f", and {others} more reason{'s' if others > 1 else ''} to doubt it" if others else ""
    return Status(NOT_USABLE if first.disqualifies else DOUBTFUL, first.reason + more)
