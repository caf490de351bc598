"""One tiny run of each head that other libraries can load."""

import pytest

from tests.helpers.runs import HYBRID


@pytest.fixture(scope="session")
def runs(finished_run, tmp_path_factory):
    """Head -> a finished run, which is never changed by the tests."""
    folder = tmp_path_factory.mktemp("runs")
    return {head: finished_run(folder / head, **HYBRID, head=head) for head in ("pair", "vector")}


@pytest.fixture(scope="session")
def pairs(corpus):
    """Two texts per pair: a quarter are short, others are cut."""
    texts = [text * (1 + number % 3) if number % 4 else text[:9] for number, text in enumerate(corpus.values())]
    return texts[:40], texts[40:80]
