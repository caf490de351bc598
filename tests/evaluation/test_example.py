"""The command that a finished run suggests: a short pair that the model is right about, safe for any shell."""

import subprocess

import numpy as np
import pytest

from keras_negaposi.config import TrainConfig
from keras_negaposi.data.pairs import Pair
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.evaluation.example import LONGEST, predict_command
from keras_negaposi.evaluation.metrics import Scores
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import Calibration

PLACEHOLDERS = "printf 'text A\\ttext B\\n' | python -m keras_negaposi.predict 'my runs/1'"


def command(*pairs):
    """The command for test pairs of (A, B, label, probability)."""
    texts = {f"{side}{row}": pair[side] for row, pair in enumerate(pairs) for side in (0, 1)}
    test = [Pair(f"0{row}", f"1{row}", pair[2]) for row, pair in enumerate(pairs)]
    labels, probabilities = (np.array([pair[place] for pair in pairs]) for place in (2, 3))
    scores = Scores(labels.astype(np.int32), probabilities.astype(np.float32), 0.5)
    folder = RunFolder("my runs/1")
    return predict_command(FinishedRun(folder, TrainConfig(), texts, [], test, {"test": scores}, Calibration(1.0, 0.5)))


def test_the_shortest_pair_that_is_right_is_taken():
    assert command(
        ("負", "例", 0, 0.1), ("誤", "り", 1, 0.2), ("庭の話", "土を掘る", 1, 0.9), ("庭の話", "水", 1, 0.926)
    ) == ("printf '%s\\t%s\\n' '庭の話' '水' | python -m keras_negaposi.predict 'my runs/1'   # 0.93 (label 1)")


@pytest.mark.parametrize(
    "a, b",
    [
        ("a" * LONGEST, "b"),
        ("a\nb", "c"),
        ("a\tb", "c"),
        ("a\x1b[31m", "c"),
        ("\u202ea", "c"),
        ("text_a", "text_b"),
        ('"a"', "b"),
    ],
)
def test_a_pair_that_would_not_be_read_as_it_is_is_never_taken(a, b):
    assert command((a, b, 1, 0.9)) == PLACEHOLDERS
    assert command((a, b, 1, 0.9), ("庭", "池", 1, 0.9)).startswith("printf '%s\\t%s\\n' '庭' '池' | ")


@pytest.mark.parametrize("a, b", [("it's $(id) `id`", '50 % "x" \\n'), ("-n", "!a; *?"), ("{a}", "#b ~")])
def test_any_text_passes_the_shell(a, b):
    line = command((a, b, 1, 0.9)).replace("python -m keras_negaposi.predict 'my runs/1'", "cat")
    assert subprocess.run(["bash", "-c", line], capture_output=True, text=True).stdout == f"{a}\t{b}\n"
