"""``--watch``: n-grams follow the notes at once, and the weights when the notes have been quiet for a while."""

import json
import time

import pytest

from keras_negaposi.config import IndexConfig
from keras_negaposi.index_files.store import Store
from keras_negaposi.retrieval.build import index_pages
from keras_negaposi.retrieval.lexical_part import read_fit
from keras_negaposi.server import watching
from keras_negaposi.server.watching import Watcher

pytestmark = pytest.mark.slow


def states(path, seconds=120):
    """The pages and whether the weights are older than they are, each time the index has changed."""
    last, end = None, time.monotonic() + seconds
    while time.monotonic() < end:
        store = Store(str(path))
        now = store.pages, read_fit(store.path / store.lexical, store.lexical_checksums).outdated
        if now != last:
            yield now
            last = now
        time.sleep(0.05)


def test_the_weights_are_fitted_again_when_the_notes_are_quiet(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(watching, "REFIT_SECONDS", 0.5)
    source, index = tmp_path / "honbun_data.json", tmp_path / "index"
    pages = {title: text for text, title in {text: title for title, text in corpus.items()}.items()}  # each text once
    index_pages(None, IndexConfig(output=str(index)), pages)
    changed = pages | {"doc03,002": "雲が流れる空を見ていた。"}
    source.write_text(json.dumps(changed), encoding="utf-8")
    watcher, found = Watcher(str(index), str(source), 1000), states(index)
    assert next(found) == (pages, False)
    watcher.start()
    try:
        assert next(found) == (changed, True)
        assert next(found) == (changed, False)
    finally:
        watcher.close()
