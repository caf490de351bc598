"""The reasons to doubt the figures of a finished run, each with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from keras_negaposi.evaluation.baseline_comparison import (
    FROZEN_LEXICAL,
    LEXICAL,
    STRONG_BASELINES,
    display_name,
    is_beaten,
)
from keras_negaposi.evaluation.credibility import Assessment
from keras_negaposi.evaluation.dev_history import DevHistory
from keras_negaposi.evaluation.leakage_audit import NEAR_TEXT, SAME_TEXT
from keras_negaposi.evaluation.status import Finding
from keras_negaposi.evaluation.verdict import chance, percent

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
TOO_WIDE = 0.2
"""A wider interval of the accuracy does not tell a useful model from a useless one: 0.6 may mean 0.5 or 0.7."""


def find_findings(assessment: Assessment, dev_history: DevHistory) -> list[Finding]:
    """Returns every reason to doubt the figures, the most serious first."""
    return [
        *_scores(assessment),
        *_training(dev_history),
        *_accuracy(assessment),
        *_labels(assessment),
        *_baselines(assessment),
        *_leakage(assessment),
        *_meaning(assessment),
    ]


def _scores(assessment: Assessment) -> Iterator[Finding]:
    """Finds scores that carry no information, and an evaluation that sees some where there is none."""
    degenerate = assessment.degenerate
    if degenerate.one_answer:
        yield Finding(
            "it gives the same answer for every pair",
            "The model predicts the same answer for every pair.",
            "Train again with a lower --learning_rate, or for longer.",
            disqualifies=True,
        )
    elif degenerate.largest_tie > MOST_TIED:
        yield Finding(
            "most pairs have the same score",
            f"{percent(degenerate.largest_tie)} of the pairs have exactly the same score.",
            "Train again with a lower --learning_rate, or for longer.",
        )
    if assessment.shuffled.low > chance(assessment):
        yield Finding(
            "the evaluation itself is faulty",
            f"Linear probes trained on shuffled labels reach {assessment.shuffled.percent()}, which is above "
            "chance: the evaluation itself is faulty.",
            "Use no figure of this run, and report this with its config.json.",
            disqualifies=True,
        )


def _training(dev_history: DevHistory) -> Iterator[Finding]:
    """Finds a model that is the untrained one although it was trained, or hardly better."""
    if dev_history.kept == 0 and dev_history.points[-1].step:
        yield Finding(
            "the training did not improve it",
            "The training did not improve the model on the dev part: the untrained start (step 0) was the best there, "
            "and it is what was tested and exported.",
            "Train again with a lower --learning_rate, or with --recipe quick, which chooses one.",
        )
    elif test := dev_history.unproven():
        yield Finding(
            "the training did not clearly improve it",
            "On the dev part, the training did not improve the model's accuracy by more than chance. Pairs that only "
            f"the trained model gets correct: {test.first_alone:,}; only the untrained start: {test.second_alone:,} "
            f"(exact McNemar test, p = {test.p_value:.2g}).",
            "Train for longer, for example with --recipe best, or on more pairs.",
        )


def _accuracy(assessment: Assessment) -> Iterator[Finding]:
    """Finds an accuracy that may be chance, or that is hardly known."""
    found = assessment.figures["accuracy"]
    if found.low <= chance(assessment):
        yield Finding(
            "it may be no better than guessing",
            f"The interval of the accuracy, {100 * found.low:.1f}-{100 * found.high:.1f} %, includes chance, "
            f"{percent(chance(assessment))}.",
            "Check the labels of some pairs, then train for longer or on more pairs.",
            disqualifies=True,
        )
    elif found.high - found.low > TOO_WIDE:
        yield Finding(
            "there are too few test pairs to tell",
            f"The interval of the accuracy is {100 * (found.high - found.low):.0f} points wide.",
            "Test on more documents: raise --test_share, or label more pairs.",
        )


def _labels(assessment: Assessment) -> Iterator[Finding]:
    """Finds out whether one of the two texts is enough to predict the label."""
    for side in ("A", "B"):
        one_side = assessment.baselines.get(f"{side} only")
        if one_side and one_side.accuracy.low > chance(assessment):
            yield Finding(
                f"the labels leak through {side}",
                f"{side} alone predicts the label of {one_side.accuracy.percent()} of the pairs: the labels leak "
                f"through {side}, so the model may not compare the two texts at all.",
                f"Look for what only one label's {side} has, and draw the negatives anew (keras_negaposi.pairs does).",
                disqualifies=one_side.accuracy.high >= assessment.figures["accuracy"].value,
            )


def _baselines(assessment: Assessment) -> Iterator[Finding]:
    """Finds every strong baseline that the model does not beat by a significant margin."""
    for name in STRONG_BASELINES:
        if not (baseline := assessment.baselines.get(name)):
            continue
        test = baseline.mcnemar
        if is_beaten(test.first_alone, test.second_alone, test.p_value):
            continue
        is_worse = is_beaten(test.second_alone, test.first_alone, test.p_value)
        shown = display_name(name)
        yield Finding(
            f"the baseline {shown} is better" if is_worse else f"it does not clearly beat the baseline {shown}",
            f"The model does not significantly beat the baseline {shown} (accuracy {baseline.accuracy.percent()}). "
            f"Pairs that only the model gets correct: {test.first_alone:,}; only the baseline: {test.second_alone:,} "
            f"(exact McNemar test, p = {test.p_value:.2g}).",
            _INSTEAD.get(name, "Train on more pairs or for longer, for example with --recipe best."),
            disqualifies=is_worse,
        )


_INSTEAD = {
    LEXICAL: "keras_negaposi.index without a run ranks by these features; or train on more pairs.",
    FROZEN_LEXICAL: "keras_negaposi.index --init_checkpoint without a run ranks by these; or train on more pairs.",
}
"""What to do about a baseline that is as good as the model, by the baseline's key."""


def _leakage(assessment: Assessment) -> Iterator[Finding]:
    """Finds out whether many test pairs share a document or a text with training."""
    documents = assessment.seen["document of A or B"]
    if documents.share > MUCH_SEEN:
        unseen = documents.accuracy_unseen
        others = f"the accuracy on the other pairs is {unseen.percent()}" if unseen else "there are no other pairs"
        yield Finding(
            "documents of the test pairs were seen in training",
            f"In {percent(documents.share)} of the test pairs, the document of A or B also occurs in training; "
            f"{others}.",
            "Use --split grouped to test on unseen documents.",
        )
    for name, article in ((SAME_TEXT, ""), (NEAR_TEXT, "a ")):
        overlap = assessment.seen[name]
        if overlap.share > SOME_SEEN:
            unseen = overlap.accuracy_unseen
            others = f"; the accuracy on the other pairs is {unseen.percent()}" if unseen else ""
            yield Finding(
                "texts of the test pairs were seen in training",
                f"For {percent(overlap.share)} of the test pairs, training contains {article}{name}{others}.",
                "Remove repeated texts, or keep them in one document (--group_pattern).",
            )


def _meaning(assessment: Assessment) -> Iterator[Finding]:
    """Finds scores that measure something other than the probability that B comes next."""
    if assessment.swapped.yes_stays >= ORDER_IGNORED:
        yield Finding(
            "it measures similarity rather than order",
            f'{percent(assessment.swapped.yes_stays)} of the pairs predicted "B comes next" are still predicted so '
            "with A and B swapped: the model measures similarity rather than order.",
            "If the order matters to you, add swapped pairs with label 0 to the training pairs.",
        )
    error = assessment.figures["ece"].value
    if error > POORLY_CALIBRATED:
        has_dev = assessment.calibration.chosen_on == "dev"
        yield Finding(
            "its probabilities are off",
            f"Predicted probabilities are off by {percent(error)} on average.",
            "A larger --dev_share calibrates them better."
            if has_dev
            else "--dev_share 0.1 reserves pairs to calibrate them on.",
        )
