"""Indexes for the tests: their configuration, and pages in a file."""

import json

from keras_negaposi.config import IndexConfig

HEADS = ["vector", "reduced", "maxsim", "midfusion"]
"""Of the runs and indexes in tests/retrieval/conftest.py."""
BY_RANKER = ["vector", "maxsim"]
"""One head for nearest-neighbour search, and one that scores every text by its tokens, as all others do."""


def index_config(tiny, output, **options):
    """The configuration of an index of the tiny corpus."""
    return IndexConfig(**{"honbun": tiny.flags["honbun"], "output": str(output)} | options)


def write_pages(path, pages):
    """Writes title -> text; returns the path as a string."""
    path.write_text(json.dumps(pages, ensure_ascii=False), encoding="utf-8")
    return str(path)
