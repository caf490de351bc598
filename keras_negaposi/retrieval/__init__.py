"""Retrieval: an index stores every page as the model has encoded it, and ranks all pages as the next page of a text.

::

    from keras_negaposi.retrieval import Index, build_index

    build_index("runs/vector", IndexConfig(honbun="honbun_data.json", output="index"))
    Index("index").suggest("text of the page", top=10)
"""

from keras_negaposi.retrieval.build import build_index
from keras_negaposi.retrieval.search import Index
from keras_negaposi.retrieval.suggestions import Suggestion

__all__ = ["Index", "Suggestion", "build_index"]
