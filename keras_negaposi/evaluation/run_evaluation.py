"""A run and everything that is shown of it, in the report, the model card and TensorBoard."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from keras_negaposi.evaluation.credibility import Assessment, FinishedRun
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.figures_json import Point
from keras_negaposi.evaluation.metrics import Evaluation
from keras_negaposi.evaluation.status import Finding, Status, status_of
from keras_negaposi.evaluation.verdict import verdict


@dataclasses.dataclass(frozen=True)
class RunEvaluation:
    """A run and its evaluation.

    Attributes:
        evaluation: the metrics of the test part.
        findings: the reasons to doubt the figures, the most serious first.
        history: loss and accuracy of the training pairs by step.
        dev_history: those of the dev part.
        saved: the content of ``config.json``.
    """

    run: FinishedRun
    evaluation: Evaluation
    assessment: Assessment
    findings: Sequence[Finding]
    history: Sequence[Point]
    dev_history: DevHistory
    saved: Mapping[str, object]

    @property
    def warnings(self) -> list[str]:
        """The findings as sentences."""
        return [finding.line for finding in self.findings]

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return verdict(self.assessment, self.warnings)

    @property
    def status(self) -> Status:
        """Whether the figures can be believed."""
        return status_of(self.findings)
