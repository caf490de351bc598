"""The notebook for Colab runs as it is, apart from its installation, which a test environment has behind it."""

import json
import re
from pathlib import Path

import pytest

from tests.helpers.forked import Python

ROOT = Path(__file__).parents[2]
NOTEBOOK = json.loads((ROOT / ".github" / "colab.ipynb").read_text(encoding="utf-8"))
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SHORTER = {
    "pairs": ('df = pd.DataFrame(rows, columns=["text_a"', 'df = pd.DataFrame(rows[:360], columns=["text_a"'),
    "steps": ('"num_train_epochs": 5}', '"num_train_epochs": 0.5}'),
}
"""What is replaced, so that the test is quick."""
CHECKS = """
assert "test pairs of unseen documents" in model.verdict_
assert model.predict_proba(pairs).shape == (5, 2)
suggested = [suggestion.text for suggestion in index.suggest(query, top=5)]
assert len(suggested) == 5 and query == index.text("0") and query not in suggested
"""


def is_installation(cell):
    return "%pip" in cell


def test_only_the_first_cell_installs():
    assert [is_installation(cell) for cell in CELLS] == [True] + [False] * (len(CELLS) - 1)
    assert re.search(r'^REPOSITORY = "https://.*"$', CELLS[0], re.MULTILINE)


def test_nothing_is_stored_that_a_run_made():
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in NOTEBOOK["cells"])


@pytest.mark.slow
def test_the_cells_run_in_order(tmp_path):
    code = "\n".join(CELLS[1:])
    for old, new in SHORTER.values():
        assert code.count(old) == 1
        code = code.replace(old, new)
    process = Python("-c", code + CHECKS, folder=tmp_path)
    _, errors = process.communicate()
    assert not process.returncode, errors[-2000:]
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "run" / "metrics.json").is_file()
