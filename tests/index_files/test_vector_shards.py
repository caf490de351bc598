"""The search among many vectors: built in shards, updated without a rebuild, resumed after a kill."""

import os

import numpy as np
import pytest

from checkpoints_tools.common.errors import InputError
from keras_negaposi.index_files import build_shards, vector_shards
from keras_negaposi.index_files.build_shards import update_shards
from keras_negaposi.index_files.nearest_neighbours import Exact, Hnsw
from keras_negaposi.index_files.store import Store
from keras_negaposi.index_files.vector_shards import Shards, open_neighbours
from keras_negaposi.index_files.vectors import Vectors, unit

pytest.importorskip("faiss")
MODEL, ABOUT = {"dtype": "float16"}, {}
DIM, PER_SEGMENT = 16, 100


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """A thousand vectors are many here."""
    for module in (build_shards, vector_shards):
        monkeypatch.setattr(module, "EXACT_BELOW", 500)
    monkeypatch.setattr(build_shards, "MOST_ROWS", 400)
    monkeypatch.setattr(build_shards, "MOST_LOOSE", 150)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def vector_of(number):
    """A vector that its number tells; ten numbers in a row have similar ones."""
    near = np.random.default_rng(number // 10).normal(size=DIM)
    return near + 0.3 * np.random.default_rng([1, number]).normal(size=DIM)


def change(folder, numbers, build=True):
    """Makes an index contain these texts, as `index` does."""
    store, keys = Store(str(folder)), {f"k{number}" for number in numbers}
    store.begin(MODEL, ABOUT, {key: key for key in keys})
    missing = [number for number in numbers if f"k{number}" not in store.keys()]
    for start in range(0, len(missing), PER_SEGMENT):
        some = missing[start : start + PER_SEGMENT]
        rows = np.stack([vector_of(number) for number in some]).astype(np.float16)
        store.add([f"k{number}" for number in some], [{"vector": rows}])
    store.finish(keys)
    if build:
        update_shards(store, Vectors(store.segments, keys, centred=True))
    return Store(str(folder))


def opened(store, approximate=None):
    vectors = Vectors(store.segments, set(store.pages), centred=True)
    return vectors, open_neighbours(store, vectors, approximate)


def recall(store, numbers, count=5):
    """The share of the exact neighbours of some texts that are found; all that is found must be in use."""
    vectors, search = opened(store)
    exact = Exact(vectors, np.flatnonzero(vectors.used))
    queries = np.stack([vectors[f"k{number}"] for number in numbers])
    found = [set(rows.tolist()) for rows, _ in search.nearest(queries, count)]
    expected = [set(rows.tolist()) for rows, _ in exact.nearest(queries, count)]
    assert all(vectors.used[list(rows)].all() and len(rows) == count for rows in found)
    return np.mean([len(a & b) / count for a, b in zip(found, expected, strict=True)])


@pytest.fixture
def index(tmp_path):
    change(tmp_path / "index", range(1000))
    return tmp_path / "index"


def test_many_vectors_are_searched_in_shards(index, monkeypatch):
    store = Store(str(index))
    vectors, search = opened(store)
    assert len(store.neighbours) == 3 and isinstance(search, Shards)
    monkeypatch.setattr(vector_shards, "SHARE_PROBED", 1)
    assert recall(store, range(0, 1000, 7)) == 1
    assert isinstance(opened(store, approximate=False)[1], Exact)
    rows, cosines = search.nearest(np.stack([vectors["k7"]]), 3)[0]
    assert vectors.key(rows[0]) == "k7"
    assert cosines == pytest.approx(unit(vectors.read(rows)) @ vectors["k7"], abs=1e-6)


def test_changed_and_deleted_texts_need_no_rebuild(index, monkeypatch):
    monkeypatch.setattr(vector_shards, "SHARE_PROBED", 1)
    before = Store(str(index)).neighbours
    store = change(index, range(30, 1100))  # 30 are gone, and 100 are new.
    assert store.neighbours == before
    assert recall(store, range(30, 1100, 7)) == 1
    store = change(index, range(30, 1300))  # With 300 new ones another shard is built, and the others stay.
    assert len(store.neighbours) == 4 and before.items() <= store.neighbours.items()
    assert recall(store, range(30, 1300, 7)) == 1


def test_shards_that_are_mostly_unused_are_replaced(index, monkeypatch):
    monkeypatch.setattr(vector_shards, "SHARE_PROBED", 1)
    before = Store(str(index)).neighbours
    store = change(index, [*range(0, 400), *range(770, 1000), *range(2000, 2300)])
    assert before.keys() - store.neighbours.keys() == {"neighbours-000002"} and len(store.neighbours) == 3
    assert recall(store, [*range(0, 400, 7), *range(2000, 2300, 7)]) == 1
    assert sorted(path.name for path in index.glob("neighbours-*")) == sorted(store.neighbours)
    store = change(index, range(300))  # So few are compared exactly.
    assert not store.neighbours and not list(index.glob("neighbours-*"))
    assert isinstance(opened(store)[1], Exact)


def test_small_shards_are_joined(index, monkeypatch):
    monkeypatch.setattr(vector_shards, "SHARE_PROBED", 1)
    for last in range(1200, 2200, 200):
        store = change(index, range(last))
    assert len(store.neighbours) <= 3 + 3
    assert recall(store, range(0, 2000, 13)) == 1


def test_a_stopped_build_continues(tmp_path, monkeypatch):
    folder, written = tmp_path / "index", []
    write = build_shards.write_json

    def stopped(*given):
        if written:
            raise KeyboardInterrupt
        written.append(write(*given))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build_shards, "write_json", stopped)
        change(folder, range(1000))
    (first,) = Store(str(folder)).neighbours
    assert recall(Store(str(folder)), range(600, 1000, 20)) > 0.9  # What no shard covers is compared.
    store = change(folder, range(1000))
    assert len(store.neighbours) == 3 and first in store.neighbours
    assert sorted(path.name for path in folder.glob("neighbours-*")) == sorted(store.neighbours)


def test_damage_is_reported_by_file_name(index):
    store = Store(str(index))
    file = index / list(store.neighbours)[1] / vector_shards.INDEX
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=f"{file}: its checksum differs"):
        opened(store)


def test_without_faiss_all_vectors_are_compared(index, monkeypatch, caplog):
    monkeypatch.setattr(vector_shards, "import_faiss", lambda: None)
    monkeypatch.setattr(build_shards, "import_faiss", lambda: None)
    caplog.set_level("INFO", "keras_negaposi")
    store = change(index, range(1200))
    assert recall(store, range(0, 1200, 50)) == 1
    assert isinstance(opened(store)[1], Exact)
    assert "all 1,200 vectors are compared" in caplog.text and "keras_negaposi[ann]" in caplog.text


def test_an_old_index_has_no_shards(tmp_path):
    store = change(tmp_path / "index", range(600), build=False)
    assert isinstance(opened(store)[1], Exact)
    assert isinstance(opened(store, approximate=True)[1], Hnsw)
