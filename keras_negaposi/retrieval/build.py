"""Making an index, or bringing one up to date: only texts that it does not hold are encoded."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config import IndexConfig
from keras_negaposi.data.texts import read_texts, text_key
from keras_negaposi.readers.note_files import read_exceptions
from keras_negaposi.retrieval.cached_encoder import CachedScorer
from keras_negaposi.retrieval.segment import MASK, Rows
from keras_negaposi.retrieval.store import Store, in_order
from keras_negaposi.runtime.beam import engine_of
from keras_negaposi.runtime.executors import one_by_one
from keras_negaposi.runtime.folder_lock import locked

TEXTS_A_SEGMENT = 1024


def build_index(run: str, config: IndexConfig) -> Store:
    """Encodes B's side of every page of a file once; what is there already is kept.

    Killed at any time it leaves a valid index, and called again it goes on.

    Raises:
        InputError: the file or the run cannot be used, the index is another model's, or another process writes it.
    """
    pages = read_texts(config.honbun)
    Store(config.output)  # refuses what is no index before anything is written
    scorer = CachedScorer(run, config.precision)
    scorer.prepare("b")  # what is wrong with it shows before anything is written
    with locked(config.output):
        return _bring_up_to_date(Store(config.output), scorer, run, config, pages)


def _bring_up_to_date(
    store: Store, scorer: CachedScorer, run: str, config: IndexConfig, pages: Mapping[str, str]
) -> Store:
    model = scorer.fingerprint(config.dtype, config.precision)
    if store.exists():
        check_model(store, model, f"give another --output, or the run it was made with ({store.about.get('run')})")
    texts = {text_key(text): text for text in pages.values()}
    before = {text_key(text) for text in store.pages.values()}
    kept = store.keys()
    about = {"run": os.path.abspath(run), "head": scorer.head, "files": read_exceptions(config.honbun)}
    store.begin(model, about, pages)
    missing = in_order((key for key in texts if key not in kept), {key: len(text) for key, text in texts.items()})
    say(f"{len(pages):,} pages, {len(texts):,} different texts, {len(missing):,} of them to encode")
    tick = Ticker("encoding", len(missing))
    segments = [missing[start : start + TEXTS_A_SEGMENT] for start in range(0, len(missing), TEXTS_A_SEGMENT)]
    engine = engine_of(config, config.output, one_by_one)
    make_work = functools.partial(_encoder, None if config.runner else scorer, run, config)
    encoded = engine(make_work, ([texts[key] for key in keys] for keys in segments))
    done = 0
    for keys, rows in zip(segments, encoded, strict=True):
        store.add(keys, rows)
        done += len(keys)
        tick(done)
    store.finish(set(texts))
    size, gone = store.bytes(), len(before - texts.keys())
    say(
        f"index in {config.output}: {len(texts):,} texts, {gone:,} old ones dropped; {size / 1e6:,.1f} MB, "
        f"{size / max(1, len(texts)):,.0f} bytes a text"
    )
    return store


def check_model(store: Store, model: Mapping[str, str], mend: str) -> None:
    """Refuses an index whose vectors are another model's.

    Raises:
        InputError: names what differs.
    """
    for name, value in ({"precision": "float32"} | store.model).items():
        if model.get(name) != value:
            raise InputError(f"{store.path}: made with another {name} ({value}, now {model.get(name)}); {mend}")


def _encoder(scorer: CachedScorer | None, run: str, config: IndexConfig) -> Callable[[list[str]], list[Rows]]:
    """What gives the side of texts, ``config.batch_size`` at a time; a worker elsewhere loads the run itself."""
    scorer, size = scorer or CachedScorer(run, config.precision), config.batch_size

    def encode(texts: list[str]) -> list[Rows]:
        batches = [scorer.encode("b", texts[start : start + size]) for start in range(0, len(texts), size)]
        return [
            {name: array if name == MASK else array.astype(config.dtype) for name, array in batch.items()}
            for batch in batches
        ]

    return encode
