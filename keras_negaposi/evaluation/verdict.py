"""The verdict on a finished run: one sentence, and a warning for every reason to doubt its figures."""

from __future__ import annotations

from collections.abc import Iterator

from keras_negaposi.evaluation.baseline_comparison import MODEL_ALONE, STRONG_BASELINES, display_name, is_beaten
from keras_negaposi.evaluation.credibility import Assessment
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.leakage_audit import NEAR_TEXT, SAME_TEXT

MOST_TIED = 0.5
"""A larger share of pairs with one and the same score means that the model hardly tells pairs apart."""
MUCH_SEEN = 0.05
"""Share of test pairs with a document from training. It bounds the difference between the accuracy on all pairs and on
the others: at 0.05 at most 5 points, about the width of an interval on 1,000 pairs."""
SOME_SEEN = 0.02
"""The same for pairs whose text itself, or nearly so, was in training. The model can have memorised it, so the limit is
lower than for documents."""
ORDER_IGNORED = 0.95
"""A model that has learned which text comes first rejects most (B, A) of the pairs (A, B) that it accepts. One that
measures similarity accepts nearly all of them."""
POORLY_CALIBRATED = 0.1
"""Expected calibration error above which a probability cannot be taken at face value: 0.8 may mean 0.7 or 0.9."""


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


def find_warnings(assessment: Assessment, dev_history: DevHistory) -> list[str]:
    """Returns every reason to doubt the figures, one or two sentences each, the most serious first."""
    return [
        *_scores(assessment),
        *_training(dev_history),
        *_labels(assessment),
        *_baselines(assessment),
        *_leakage(assessment),
        *_meaning(assessment),
    ]


def chance(assessment: Assessment) -> float:
    """Returns the accuracy of always predicting the more frequent class, or of guessing."""
    majority = assessment.baselines.get("majority")
    return max(majority.accuracy.value, 0.5) if majority else 0.5


def _scores(assessment: Assessment) -> Iterator[str]:
    """Warns of scores that carry no information, and of an evaluation that finds some where there is none."""
    degenerate = assessment.degenerate
    if degenerate.one_answer:
        yield "The model predicts the same answer for every pair."
    elif degenerate.largest_tie > MOST_TIED:
        yield f"{percent(degenerate.largest_tie)} of the pairs have exactly the same score."
    if assessment.shuffled.low > chance(assessment):
        yield (
            f"Linear probes trained on shuffled labels reach {assessment.shuffled.percent()}, which is above "
            "chance: the evaluation itself is faulty."
        )


def _training(dev_history: DevHistory) -> Iterator[str]:
    """Warns if the model is the untrained one, or hardly better."""
    if dev_history.kept == 0:
        yield (
            "The training did not improve the model on the dev part: the untrained start (step 0) was the best there, "
            "and it is what was tested and exported."
        )
    elif test := dev_history.unproven():
        yield (
            "On the dev part, the training did not improve the model's accuracy by more than chance. Pairs that only "
            f"the trained model gets correct: {test.first_alone:,}; only the untrained start: {test.second_alone:,} "
            f"(exact McNemar test, p = {test.p_value:.2g})."
        )


def _labels(assessment: Assessment) -> Iterator[str]:
    """Warns if one of the two texts is enough to predict the label."""
    for side in ("A", "B"):
        one_side = assessment.baselines.get(f"{side} only")
        if one_side and one_side.accuracy.low > chance(assessment):
            yield (
                f"{side} alone predicts the label of {one_side.accuracy.percent()} of the pairs: the labels leak "
                f"through {side}, so the model may not compare the two texts at all."
            )


def _baselines(assessment: Assessment) -> Iterator[str]:
    """Warns of every strong baseline that the model does not beat by a significant margin."""
    for name in STRONG_BASELINES:
        if not (baseline := assessment.baselines.get(name)):
            continue
        test = baseline.mcnemar
        if not is_beaten(test.first_alone, test.second_alone, test.p_value):
            yield (
                f"The model does not significantly beat the baseline {display_name(name)} (accuracy "
                f"{baseline.accuracy.percent()}). Pairs that only the model gets correct: {test.first_alone:,}; only "
                f"the baseline: {test.second_alone:,} (exact McNemar test, p = {test.p_value:.2g})."
            )


def _leakage(assessment: Assessment) -> Iterator[str]:
    """Warns if many test pairs share a document or a text with training."""
    documents = assessment.seen["document of A or B"]
    if documents.share > MUCH_SEEN:
        unseen = documents.accuracy_unseen
        others = f"the accuracy on the other pairs is {unseen.percent()}" if unseen else "there are no other pairs"
        yield (
            f"In {percent(documents.share)} of the test pairs, the document of A or B also occurs in training; "
            f"{others}. Use --split grouped to test on unseen documents."
        )
    for name, article in ((SAME_TEXT, ""), (NEAR_TEXT, "a ")):
        overlap = assessment.seen[name]
        if overlap.share > SOME_SEEN:
            unseen = overlap.accuracy_unseen
            others = f"; the accuracy on the other pairs is {unseen.percent()}" if unseen else ""
            yield f"For {percent(overlap.share)} of the test pairs, training contains {article}{name}{others}."


def _meaning(assessment: Assessment) -> Iterator[str]:
    """Warns of scores that measure something other than the probability that B comes next."""
    if assessment.swapped.yes_stays >= ORDER_IGNORED:
        yield (
            f'{percent(assessment.swapped.yes_stays)} of the pairs predicted "B comes next" are still predicted so '
            "with A and B swapped: the model measures similarity rather than order."
        )
    error = assessment.figures["ece"].value
    if error > POORLY_CALIBRATED:
        has_dev = assessment.calibration.chosen_on is not None
        fix = (
            "a larger --dev_share calibrates them better"
            if has_dev
            else "--dev_share 0.1 reserves pairs to calibrate on"
        )
        yield f"Predicted probabilities are off by {percent(error)} on average; {fix}."


def percent(value: float) -> str:
    """Returns ``81.9 %``."""
    return f"{value:.1%}".replace("%", " %")
