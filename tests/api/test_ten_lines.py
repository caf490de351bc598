"""The ten lines of the documents run as they are, and say nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.sample import FOLDER

ROOT = Path(__file__).parents[2]
README = ROOT / "keras_negaposi" / "api" / "README.md"
BEFORE = """
import json
import pandas
texts = json.load(open(r"FOLDER/honbun_data.json", encoding="utf-8"))
rows = json.load(open(r"FOLDER/negaposi.json", encoding="utf-8"))
table = pandas.DataFrame(
    [(texts[a], texts[b], label, a.split(",")[0]) for a, b, label in rows[:450]],
    columns=["text_a", "text_b", "label", "group"],
)
df, test = table[:400], table[400:]
pairs = list(zip(test["text_a"], test["text_b"]))
texts = list(texts.values())[:200]
"""
AFTER = """
import logging
assert not logging.getLogger().handlers  # so that the user can still configure it
assert probabilities.shape == (50,) and 0 < figures.accuracy.value <= 1 and len(suggestions) == 10
assert (again.predict_proba(pairs) == model.predict_proba(pairs)).all()
with open("temporary", "w") as file:
    file.write(model.run_folder_)
"""
NATIVE = re.compile(r"\d{4}-\d\d-\d\d .*: [EWI] |[EWI]0000 |WARNING: All log messages before absl")
"""Lines of TensorFlow's C++ code, which Python cannot take back."""


@pytest.mark.slow
def test_the_ten_lines_run_and_say_nothing(tmp_path):
    (lines,) = re.findall(r"<!-- the ten lines -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(lines.splitlines()) <= 10
    code = f"{BEFORE}{lines}{AFTER}".replace("FOLDER", str(FOLDER))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert not done.stdout
    assert not [line for line in done.stderr.splitlines() if not NATIVE.match(line)]
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")

    # The temporary run is gone; the saved one has everything.
    assert not os.path.exists((tmp_path / "temporary").read_text())
    assert saved_options(str(tmp_path / "run")).negaposi == str(tmp_path / "run" / "negaposi.json")
