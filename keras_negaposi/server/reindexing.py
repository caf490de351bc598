"""Updates an index with what its source is now, by the same model and with the same options."""

from __future__ import annotations

from typing import Any

from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig
from keras_negaposi.data.documents import Documents
from keras_negaposi.index_files.database_copy import local_folder
from keras_negaposi.index_files.store import Store
from keras_negaposi.pair_generation.page_store import temporary_store
from keras_negaposi.pair_generation.pages import PageFilter, Pages
from keras_negaposi.readers import READERS, detect
from keras_negaposi.retrieval.build import index_pages
from keras_negaposi.retrieval.lexical_part import has_old_weights
from keras_negaposi.retrieval.origin import is_untrained
from keras_negaposi.runtime.saved_run import saved_config

LEAST_SHARED = 0.5
"""Least share of the index's pages that must be in the source; fewer mean that it is another source."""


def update_index(path: str, source: str, length: int, keep_weights: bool) -> None:
    """Reads the pages of a source, and updates the index if they have changed.

    Args:
        path: folder of the index, or ``postgresql://`` URL.
        source: file or folder that `keras_negaposi.pairs` reads.
        length: of a page in characters.
        keep_weights: see `build.index_pages`; if it is not set, weights that are older than the pages are fitted again.

    Raises:
        InputError: the source or the index cannot be used, or the source is not the index's.
    """
    store = Store(local_folder(path))
    config, run = _options(store, path)
    with temporary_store() as texts:
        pages = Pages(texts, PageFilter())
        pages.read(READERS[detect(source)](source, Documents(config.group_pattern)), length)
        now = dict(texts.rows())
    if now == store.pages and (
        keep_weights or not has_old_weights(store.path / store.lexical, store.lexical_checksums)
    ):
        return
    shared = len(now.keys() & store.pages.keys())
    if shared < LEAST_SHARED * len(store.pages):
        raise InputError(
            f"{source}: has {shared:,} of the {len(store.pages):,} pages of the index; give the source that the index "
            "was made from, and the --length of its pages"
        )
    index_pages(run, config, now, pages.files, keep_weights)


def _options(store: Store, path: str) -> tuple[IndexConfig, str | None]:
    """Returns the options with which an index was made, and its run, if it has one."""
    model: dict[str, Any] = {"output": path, "dtype": store.model.get("dtype", "float16")}
    if not is_untrained(store):
        model["precision"] = store.model.get("precision", "float32")
        run = store.named("about", "run")
        return IndexConfig(**model, group_pattern=str(saved_config(run)["group_pattern"])), run
    bert = store.about.get("bert") or {}
    assert isinstance(bert, dict)
    return IndexConfig(**model, **bert, group_pattern=store.named("about", "group_pattern")), None
