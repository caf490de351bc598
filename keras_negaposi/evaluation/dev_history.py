"""The evaluations of the dev part during a training, and which weights were kept: ``dev_history.json``."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from msgspec import Meta

from checkpoints_tools.common.files import exists
from checkpoints_tools.common.schema import read_as
from keras_negaposi.config.dev_evaluation import Measure
from keras_negaposi.evaluation.baseline_comparison import is_beaten
from keras_negaposi.evaluation.bootstrap import McNemar, mcnemar
from keras_negaposi.evaluation.figures_json import HISTORY_FIX, write_figures

Step = Annotated[int, Meta(ge=0, le=2**31)]


@dataclasses.dataclass(frozen=True)
class DevPoint:
    """An evaluation of the dev part with the model alone, before calibration and without lexical features.

    Attributes:
        step: after which it was evaluated; 0 is the start.
        loss: mean cross-entropy in nats; ``None`` if it was not finite.
        accuracy: share of the pairs that are predicted correctly.
        against_start: test of this evaluation, the first of the two, against that of the start; ``None`` if the start
            was not evaluated, or by an older version, or if the training is not for probabilities.
        recall: share of the positive pairs whose B is found (`training.dev_recall`); ``None`` if it was not measured.
    """

    step: Step
    loss: Annotated[float, Meta(ge=0)] | None
    accuracy: Annotated[float, Meta(ge=0, le=1)]
    against_start: McNemar | None = None
    recall: Annotated[float, Meta(ge=0, le=1)] | None = None

    def is_better(self, other: DevPoint | None, measure: Measure) -> bool:
        """Returns whether this evaluation is strictly better; without a finite loss, it is better than none."""
        if self.loss is None:
            return False
        if other is None or other.loss is None:
            return True
        if measure == "recall":
            return (self.recall or 0.0) > (other.recall or 0.0)
        return self.loss < other.loss if measure == "loss" else self.accuracy > other.accuracy


@dataclasses.dataclass(frozen=True)
class DevHistory:
    """Content of ``dev_history.json``.

    Attributes:
        points: by step.
        kept: step whose weights were scored and exported; ``None`` until the training has ended.
        start_correct: for each dev pair ``1`` if the start predicts it correctly, otherwise ``0``.
    """

    points: tuple[DevPoint, ...] = ()
    kept: Step | None = None
    start_correct: Annotated[str, Meta(pattern="^[01]*$")] = ""

    def up_to(self, step: int) -> DevHistory:
        """Returns the evaluations until a step, from which a run is resumed."""
        points = tuple(point for point in self.points if point.step <= step)
        return dataclasses.replace(self, points=points, kept=None)

    def with_point(
        self, step: int, loss: float | None, correct: np.ndarray, recall: float | None = None, compares: bool = True
    ) -> DevHistory:
        """Returns the history with one more evaluation, after those of earlier steps.

        Args:
            step: after which the dev part was evaluated.
            loss: as in `DevPoint`.
            correct: whether each dev pair is predicted correctly, ``bool [pairs]``, always in the same order.
            recall: as in `DevPoint`.
            compares: whether the evaluation is tested against that of the start.
        """
        earlier = self.up_to(step - 1)
        start = self.start_correct if step else "".join("01"[int(hit)] for hit in correct)
        test = mcnemar(correct, np.array([hit == "1" for hit in start])) if step and start and compares else None
        point = DevPoint(step, loss, float(correct.mean()), test, recall)
        return DevHistory((*earlier.points, point), start_correct=start)

    def at(self, step: int | None) -> DevPoint | None:
        """Returns the evaluation after a step, if there is one."""
        return next((point for point in self.points if point.step == step), None)

    def best(self, measure: Measure) -> DevPoint | None:
        """Returns the best evaluation, the earliest of equals; ``None`` if no loss was finite."""
        best = None
        for point in self.points:
            best = point if point.is_better(best, measure) else best
        return best

    def unproven(self) -> McNemar | None:
        """Returns the test of the kept step against the start, if the training did not gain more than chance."""
        kept = self.at(self.kept)
        test = kept.against_start if kept else None
        return test if test and not is_beaten(test.first_alone, test.second_alone, test.p_value) else None

    def without_improvement(self, measure: Measure) -> int:
        """Returns the number of evaluations since the best one."""
        best = self.best(measure)
        return sum(best is None or point.step > best.step for point in self.points)

    def landmarks(self) -> dict[str, DevPoint | None]:
        """Returns the evaluations of the start, the kept step and the last step, where there are any."""
        return {"start": self.at(0), "kept": self.at(self.kept), "last": self.points[-1] if self.points else None}

    def figures(self) -> dict[str, object] | None:
        """Returns the entry for ``metrics.json``: the kept step, and the evaluations of the start, it and the last."""
        if not self.points:
            return None
        points = {name: point and dataclasses.asdict(point) for name, point in self.landmarks().items()}
        return {"kept_step": self.kept, **points}


def read_dev_history(path: str) -> DevHistory:
    """Reads a ``dev_history.json``; returns an empty history if there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    return read_as(DevHistory, path, HISTORY_FIX) if exists(path) else DevHistory()


def write_dev_history(path: str, history: DevHistory) -> None:
    """Writes a ``dev_history.json``."""
    write_figures(path, dataclasses.asdict(history))
