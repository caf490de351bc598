"""Builds an index, or updates one: only texts that it does not contain yet are encoded."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import read_digest
from checkpoints_tools.common.progress import Ticker
from keras_negaposi.config import IndexConfig
from keras_negaposi.config.heads import BI_ENCODER
from keras_negaposi.config.saved import absolute
from keras_negaposi.data.texts import read_texts, text_key
from keras_negaposi.index_files.build_shards import update_shards
from keras_negaposi.index_files.database_update import keys_before, updating
from keras_negaposi.index_files.lexical_index import LexicalIndex
from keras_negaposi.index_files.page_density import densities_of
from keras_negaposi.index_files.segment import Rows
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vectors import Vectors
from keras_negaposi.lexical.vocabulary import PageFrequencies
from keras_negaposi.modeling.heads.tensor_names import MASK
from keras_negaposi.readers.note_files import read_exceptions
from keras_negaposi.retrieval.frozen_scorer import PRECISION, FrozenScorer
from keras_negaposi.retrieval.lexical_part import LexicalPart, has_old_weights, read_lexical_part
from keras_negaposi.retrieval.origin import KIND, LEXICAL, UNTRAINED
from keras_negaposi.retrieval.self_labelled import fit_on_next_pages
from keras_negaposi.runtime.beam import engine_of, for_workers
from keras_negaposi.runtime.executors import one_by_one
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.serving.calibration import saved_calibration, saved_combination

if TYPE_CHECKING:
    from keras_negaposi.retrieval.cached_encoder import CachedScorer

    Scorer = CachedScorer | FrozenScorer

TEXTS_PER_SEGMENT = 1024
MOST_SEGMENTS = 500
"""Segments that a build adds; more texts make them larger, because each is an open file."""


def build_index(run: str | None, config: IndexConfig) -> Store:
    """Encodes every page of a file as B; each text once, and only if the index does not contain it yet.

    If it is interrupted, even by kill -9, the index stays valid, and calling it again continues.

    Args:
        run: folder of a finished run; ``None`` to rank without training, by lexical features and, if ``config`` names
            a BERT, by its vectors.
        config: of the index.

    Raises:
        InputError: the file or the model cannot be used, another model made the index, or another process is writing
            it.
    """
    return index_pages(run, config, read_texts(config.honbun), read_exceptions(config.honbun))


def index_pages(
    run: str | None,
    config: IndexConfig,
    pages: Mapping[str, str],
    files: Mapping[str, str] | None = None,
    keep_weights: bool = False,
) -> Store:
    """Does the work of `build_index` for pages in memory.

    Args:
        run: see `build_index`.
        config: of the index; its ``honbun`` is not read.
        pages: title -> text.
        files: of `note_files.read_exceptions`; ``None`` if the pages do not come from files.
        keep_weights: whether the weights of an index without a run stay as they are, which saves nearly all of the
            time where few pages have changed; the next update without this fits them again.

    Raises:
        InputError: as `build_index`.
    """
    # Everything that can be wrong is checked before anything is written.
    new = {text_key(text) for text in pages.values()} - keys_before(config.output)
    scorer = _make_scorer(run, config)
    if scorer:
        precision = scorer.prepare_for(new)
        config = dataclasses.replace(config, precision=precision)  # for workers, too
    with updating(config.output) as folder:
        config = dataclasses.replace(config, output=folder)
        return _update(Store(folder), scorer, run, config, dict(pages), dict(files or {}), keep_weights)


def _make_scorer(run: str | None, config: IndexConfig) -> Scorer | None:
    """Returns what encodes the texts; ``None`` for a lexical index."""
    if run is not None:
        from keras_negaposi.retrieval.cached_encoder import CachedScorer  # with TensorFlow

        return CachedScorer(run, config.precision)
    return FrozenScorer(config.pretrained, precision="auto") if config.init_checkpoint else None


def _update(
    store: Store,
    scorer: Scorer | None,
    run: str | None,
    config: IndexConfig,
    pages: dict[str, str],
    files: dict[str, str],
    keep_weights: bool,
) -> Store:
    model = _model(scorer, run, config)
    if store.exists():
        check_model(store, model, f"give another --output, or the model that made it ({store.about.get('run')})")
    texts = {text_key(text): text for text in pages.values()}
    before = {text_key(text) for text in store.pages.values()}
    about = _about(scorer, run, config, files)
    is_current = store.lexical and (store.pages, store.about, store.model) == (pages, about, model)
    is_current = is_current and (
        keep_weights or not has_old_weights(store.path / store.lexical, store.lexical_checksums)
    )
    store.begin(model, about, pages)

    # 1. Encode the texts that are not encoded yet.
    stored = store.keys()
    missing = _by_length((key for key in texts if key not in stored), texts) if scorer else []
    known = scorer.count_known(missing) if scorer else 0
    from_run = f", {known:,} are encoded in the run" if known else ""
    say(f"{len(pages):,} pages, {len(texts):,} different texts{from_run}, {len(missing) - known:,} of them to encode")
    if scorer and missing:
        _encode_missing(store, scorer, run, config, {key: texts[key] for key in missing})

    # 2. Count the n-grams; their frequencies, and so all vectors, change with every page.
    part = None if is_current else _lexical_part(store, run, config, pages, keep_weights)
    if part:
        store.replace_lexical(part.write)

    # 3. Switch to the new pages and the new lexical part.
    store.finish(set(texts))

    # 4. Prepare the search among many vectors.
    if scorer and scorer.head == BI_ENCODER:
        update_shards(store, Vectors(store.segments, texts, centred=run is None))
    size, removed = store.bytes(), len(before - texts.keys())
    say(
        f"index in {config.output}: {len(texts):,} texts, {removed:,} old ones removed; {size / 1e6:,.1f} MB, "
        f"{size / max(1, len(texts)):,.0f} bytes per text"
    )
    return store


def _model(scorer: Scorer | None, run: str | None, config: IndexConfig) -> dict[str, str]:
    """Returns everything on which the index depends besides the pages, by the name to print where it differs."""
    model = scorer.fingerprint(config.dtype, config.precision) if scorer else {"precision": PRECISION}
    if run is None:
        return model | {KIND: UNTRAINED}
    return model | lexical_fingerprint(run)


def lexical_fingerprint(run: str) -> dict[str, str]:
    """Returns what the lexical part of a hybrid run's index depends on; nothing for other runs."""
    folder = RunFolder(run)
    if not saved_calibration(folder).hybrid:
        return {}
    return {LEXICAL: read_digest(folder.lexical_model).hex()[:16]}


def _about(scorer: Scorer | None, run: str | None, config: IndexConfig, files: dict[str, str]) -> dict[str, Any]:
    if run is not None and scorer:
        return {"run": os.path.abspath(run), "head": scorer.head, "files": files}
    bert = absolute(vars(config.pretrained)) if config.init_checkpoint else None
    return {"group_pattern": config.group_pattern, "bert": bert, "files": files}


def _encode_missing(
    store: Store, scorer: Scorer, run: str | None, config: IndexConfig, missing: Mapping[str, str]
) -> None:
    """Encodes texts and adds them segment by segment; an interrupted run keeps the segments that it has added."""
    tick, order = Ticker("encoding", len(missing)), list(missing)
    size = max(TEXTS_PER_SEGMENT, math.ceil(len(order) / MOST_SEGMENTS))
    segments = [order[start : start + size] for start in range(0, len(order), size)]
    engine = engine_of(config, config.output, one_by_one)
    seen = run and for_workers(config, run)
    make_work = functools.partial(_encoder, None if config.runner else scorer, seen, config)
    encoded = engine(make_work, ([missing[key] for key in keys] for keys in segments))
    done = 0
    for keys, rows in zip(segments, encoded, strict=True):
        store.add(keys, rows)
        done += len(keys)
        tick(done)


def _lexical_part(
    store: Store, run: str | None, config: IndexConfig, pages: Mapping[str, str], keep_weights: bool
) -> LexicalPart | None:
    """Returns the lexical part of a hybrid run's index, or of one without a run; ``None`` for other runs."""
    texts = list(dict.fromkeys(pages.values()))
    if run is not None:
        _, model = saved_combination(RunFolder(run))
        return LexicalPart(LexicalIndex.of(model.frequencies, texts), model.with_pages(texts)) if model else None
    say("counting n-grams")
    keys = [text_key(text) for text in texts]
    vectors = Vectors(store.segments, set(keys), centred=True) if config.init_checkpoint else None
    if keep_weights and store.lexical:
        before = list(dict.fromkeys(store.pages.values()))
        part = read_lexical_part(store.path / store.lexical, store.lexical_checksums, before)
        if updated := part.updated(store.pages, pages):
            if vectors is None or part.densities is None:
                return updated
            known = dict(zip(map(text_key, before), part.densities.tolist(), strict=True))
            return dataclasses.replace(updated, densities=_in_order(keys, densities_of(vectors, known)))
    frequencies = PageFrequencies.of(pages.values())
    index = LexicalIndex.of(frequencies, texts)
    densities = densities_of(vectors) if vectors is not None else None
    model, fit = fit_on_next_pages(pages, frequencies, config.group_pattern, vectors, densities)
    say(f"weights fitted on {fit.pairs:,} self-labelled pairs of pages" if fit.pairs else _TOO_FEW)
    return LexicalPart(index, model, fit, _in_order(keys, densities) if densities else None)


def _in_order(keys: Sequence[str], densities: Mapping[str, float]) -> np.ndarray:
    return np.array([densities[key] for key in keys], np.float32)


_TOO_FEW = (
    "too few adjacent pages to fit weights on, so pages are ranked by similarity alone; adjacent pages have "
    "consecutive numbers in their titles (--group_pattern)"
)


def check_model(store: Store, model: Mapping[str, str], fix: str) -> None:
    """Checks that an index was made with this model.

    Args:
        store: the index.
        model: of `CachedScorer.fingerprint`.
        fix: what to do if not, the end of the message.

    Raises:
        InputError: names what differs.
    """
    for name, value in ({"precision": PRECISION} | store.model).items():
        if model.get(name) != value:
            raise InputError(f"{store.path}: made with another {name} ({value}, now {model.get(name)}); {fix}")


def _encoder(scorer: Scorer | None, run: str | None, config: IndexConfig) -> Callable[[list[str]], list[Rows]]:
    """Returns a function that encodes texts as B, in batches of ``config.batch_size``.

    Args:
        scorer: the loaded model; ``None`` in a worker process, which has to load it.
        run: the run's folder; ``None`` for a pre-trained BERT.
        config: of the index.
    """
    loaded, size = scorer or _make_scorer(run, config), config.batch_size
    if loaded is None:
        raise TypeError("a lexical index has nothing to encode")

    def encode(texts: list[str]) -> list[Rows]:
        batches = [loaded.encode("b", texts[start : start + size]) for start in range(0, len(texts), size)]
        return [
            {name: array if name == MASK else array.astype(config.dtype) for name, array in batch.items()}
            for batch in batches
        ]

    return encode


def _by_length(keys: Iterable[str], texts: Mapping[str, str]) -> Sequence[str]:
    """Sorts keys by the length of their texts, so that texts of similar length are encoded and stored together."""
    return sorted(keys, key=lambda key: (len(texts[key]), key))
