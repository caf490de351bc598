"""The verdict on a finished run, in one sentence."""

from __future__ import annotations

from keras_negaposi.evaluation.baseline_comparison import MODEL_ALONE, STRONG_BASELINES, display_name
from keras_negaposi.evaluation.credibility import Assessment


def verdict(assessment: Assessment, warnings: list[str]) -> str:
    """Returns the accuracy, that of the strong baselines and the number of warnings, in one sentence.

    ``accuracy 81.9 % (80.1-83.6) on 2,235 unseen test pairs; TF-IDF cosine 81.0 %, linear probe 79.8 %; 2 warnings``
    """
    kind = "test pairs of unseen documents" if assessment.split == "grouped" else "unseen test pairs"
    count = {0: "no warnings", 1: "1 warning"}.get(len(warnings), f"{len(warnings)} warnings")
    others = ", ".join(
        f"{display_name(name)} {percent(assessment.baselines[name].accuracy.value)}"
        for name in STRONG_BASELINES
        if name in assessment.baselines
    )
    accuracy = f"accuracy {assessment.figures['accuracy'].percent()} on {assessment.pairs:,} {kind}"
    if assessment.contributions:
        accuracy += f" (hybrid; the model alone {percent(assessment.contributions[MODEL_ALONE].accuracy.value)})"
    return "; ".join([accuracy, *filter(None, [others]), count])


def chance(assessment: Assessment) -> float:
    """Returns the accuracy of always predicting the more frequent class, or of guessing."""
    majority = assessment.baselines.get("majority")
    return max(majority.accuracy.value, 0.5) if majority else 0.5


def percent(value: float) -> str:
    """Returns ``81.9 %``."""
    return f"{value:.1%}".replace("%", " %")
