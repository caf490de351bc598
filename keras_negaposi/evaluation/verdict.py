"""What an assessment means, in words: one sentence, and warnings."""

from __future__ import annotations

from collections.abc import Iterator

from keras_negaposi.evaluation.baselines import FROZEN, FROZEN_COSINE
from keras_negaposi.evaluation.credibility import Assessment
from keras_negaposi.evaluation.leakage_audit import NEAR_TEXT, SAME_TEXT
from keras_negaposi.evaluation.text_baselines import LEXICAL

SIGNIFICANT = 0.05
COSINE = "TF-IDF cosine"
MUCH_SEEN = 0.05
SOME_SEEN = 0.02
SIMILAR = 0.95
POORLY_CALIBRATED = 0.1


def verdict(assessment: Assessment, warnings: list[str]) -> str:
    """``81.9 % (80.1-83.6) right on 2,235 pairs never seen; TF-IDF cosine gets 81.0 %, ...; 2 warnings``."""
    what = "of documents never seen" if assessment.split == "grouped" else "never seen"
    count = {0: "no warnings", 1: "1 warning"}.get(len(warnings), f"{len(warnings)} warnings")
    names = {COSINE: f"{COSINE} gets", LEXICAL: LEXICAL, FROZEN: "the frozen encoder", FROZEN_COSINE: "its cosine"}
    others = ", ".join(
        f"{words} {_percent(assessment.baselines[name].accuracy.value)}"
        for name, words in names.items()
        if name in assessment.baselines
    )
    right = f"{assessment.figures['accuracy'].percent()} right on {assessment.pairs:,} pairs {what}"
    return "; ".join([right, *filter(None, [others]), count])


def find_warnings(assessment: Assessment) -> list[str]:
    """Every reason for doubt, a sentence each, the gravest first."""
    return [
        *_scores(assessment),
        *_labels(assessment),
        *_baselines(assessment),
        *_leakage(assessment),
        *_meaning(assessment),
    ]


def _scores(assessment: Assessment) -> Iterator[str]:
    found = assessment.degenerate
    if found.one_answer:
        yield "The model gives every pair the same answer."
    elif found.largest_tie > 0.5:
        yield f"{_percent(found.largest_tie)} of the pairs have one and the same score."
    if assessment.shuffled.low > _chance(assessment):
        yield (
            f"Trained on shuffled labels the frozen baseline gets {assessment.shuffled.percent()}: the evaluation "
            "itself is at fault."
        )


def _labels(assessment: Assessment) -> Iterator[str]:
    for side in ("A", "B"):
        found = assessment.baselines.get(f"{side} only")
        if found and found.accuracy.low > _chance(assessment):
            yield (
                f"{side} alone tells the label in {found.accuracy.percent()} of the pairs: the labels leak through "
                f"{side}, and the model need not have compared anything."
            )


def _baselines(assessment: Assessment) -> Iterator[str]:
    for name in (COSINE, LEXICAL, FROZEN, FROZEN_COSINE):
        if not (found := assessment.baselines.get(name)):
            continue
        ahead = found.mcnemar.first_alone > found.mcnemar.second_alone
        if not ahead or found.mcnemar.p_value >= SIGNIFICANT:
            yield (
                f"The model does not beat the {name} ({found.accuracy.percent()}; it alone is right on "
                f"{found.mcnemar.first_alone:,} pairs, the other alone on {found.mcnemar.second_alone:,}, "
                f"p = {found.mcnemar.p_value:.2g})."
            )


def _leakage(assessment: Assessment) -> Iterator[str]:
    documents = assessment.seen["document of A or B"]
    if documents.share > MUCH_SEEN:
        unseen = documents.accuracy_unseen
        others = f"on the others it is {unseen.percent()}" if unseen else "there are no others"
        yield (
            f"In {_percent(documents.share)} of the test pairs a document was seen in training; {others}. Documents "
            "never seen: --split grouped."
        )
    for name in (SAME_TEXT, NEAR_TEXT):
        found = assessment.seen[name]
        if found.share > SOME_SEEN:
            unseen = found.accuracy_unseen
            others = f"; on the others the accuracy is {unseen.percent()}" if unseen else ""
            yield f"{_percent(found.share)} of the test pairs: {name} was seen in training{others}."


def _meaning(assessment: Assessment) -> Iterator[str]:
    if assessment.swapped.yes_stays >= SIMILAR:
        yield (
            f"With A and B exchanged, {_percent(assessment.swapped.yes_stays)} of the yes stay yes: it says "
            '"similar" more than "comes next".'
        )
    error = assessment.figures["ece"].value
    if error > POORLY_CALIBRATED:
        yield f"Probabilities are off by {_percent(error)} on average; --dev_share 0.1 lets them be calibrated."


def _chance(assessment: Assessment) -> float:
    """What is had by always giving the commoner class, or by guessing."""
    majority = assessment.baselines.get("majority")
    return max(majority.accuracy.value, 0.5) if majority else 0.5


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")
