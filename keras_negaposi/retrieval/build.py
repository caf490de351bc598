"""Builds an index, or updates one: only texts that it does not contain yet are encoded."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config import IndexConfig
from keras_negaposi.data.texts import read_texts, text_key
from keras_negaposi.modeling.heads.tensor_names import MASK
from keras_negaposi.readers.note_files import read_exceptions
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.segment import Rows
from keras_negaposi.retrieval.store import Store
from keras_negaposi.runtime.beam import engine_of
from keras_negaposi.runtime.executors import one_by_one
from keras_negaposi.runtime.folder_lock import locked

TEXTS_PER_SEGMENT = 1024


def build_index(run: str, config: IndexConfig) -> Store:
    """Encodes every page of a file as B; each text once, and only if the index does not contain it yet.

    If it is interrupted, even by kill -9, the index stays valid, and calling it again continues.

    Raises:
        InputError: the file or the run cannot be used, another model made the index, or another process is writing it.
    """
    # Everything that can be wrong is checked before anything is written.
    pages = read_texts(config.honbun)
    Store(config.output)
    scorer = CachedScorer(run, config.precision)
    scorer.prepare("b")
    with locked(config.output):
        return _update(Store(config.output), scorer, run, config, pages)


def _update(store: Store, scorer: CachedScorer, run: str, config: IndexConfig, pages: Mapping[str, str]) -> Store:
    model = scorer.fingerprint(config.dtype, config.precision)
    if store.exists():
        check_model(store, model, f"give another --output, or the run that made it ({store.about.get('run')})")

    # Find the texts that are not encoded yet.
    texts = {text_key(text): text for text in pages.values()}
    before = {text_key(text) for text in store.pages.values()}
    stored = store.keys()
    about = {"run": os.path.abspath(run), "head": scorer.head, "files": read_exceptions(config.honbun)}
    store.begin(model, about, pages)
    missing = _by_length((key for key in texts if key not in stored), texts)
    say(f"{len(pages):,} pages, {len(texts):,} different texts, {len(missing):,} of them to encode")

    # Encode them and add them segment by segment; an interrupted run keeps the segments that it has added.
    tick = Ticker("encoding", len(missing))
    segments = [missing[start : start + TEXTS_PER_SEGMENT] for start in range(0, len(missing), TEXTS_PER_SEGMENT)]
    engine = engine_of(config, config.output, one_by_one)
    make_work = functools.partial(_encoder, None if config.runner else scorer, run, config)
    encoded = engine(make_work, ([texts[key] for key in keys] for keys in segments))
    done = 0
    for keys, rows in zip(segments, encoded, strict=True):
        store.add(keys, rows)
        done += len(keys)
        tick(done)

    store.finish(set(texts))
    size, removed = store.bytes(), len(before - texts.keys())
    say(
        f"index in {config.output}: {len(texts):,} texts, {removed:,} old ones removed; {size / 1e6:,.1f} MB, "
        f"{size / max(1, len(texts)):,.0f} bytes per text"
    )
    return store


def check_model(store: Store, model: Mapping[str, str], fix: str) -> None:
    """Checks that an index was made with this model.

    Args:
        store: the index.
        model: of `CachedScorer.fingerprint`.
        fix: what to do if not, the end of the message.

    Raises:
        InputError: names what differs.
    """
    for name, value in ({"precision": "float32"} | store.model).items():
        if model.get(name) != value:
            raise InputError(f"{store.path}: made with another {name} ({value}, now {model.get(name)}); {fix}")


def _encoder(scorer: CachedScorer | None, run: str, config: IndexConfig) -> Callable[[list[str]], list[Rows]]:
    """Returns a function that encodes texts as B, in batches of ``config.batch_size``.

    Args:
        scorer: the loaded run; ``None`` in a worker process, which has to load it.
        run: the run's folder.
        config: of the index.
    """
    scorer, size = scorer or CachedScorer(run, config.precision), config.batch_size

    def encode(texts: list[str]) -> list[Rows]:
        batches = [scorer.encode("b", texts[start : start + size]) for start in range(0, len(texts), size)]
        return [
            {name: array if name == MASK else array.astype(config.dtype) for name, array in batch.items()}
            for batch in batches
        ]

    return encode


def _by_length(keys: Iterable[str], texts: Mapping[str, str]) -> list[str]:
    """Sorts keys by the length of their texts, so that texts of similar length are encoded and stored together."""
    return sorted(keys, key=lambda key: (len(texts[key]), key))
