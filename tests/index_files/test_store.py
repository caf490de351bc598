"""The files of an index: damage is reported by name, other programs' files stay, readers never notice a writer."""

import json
import os
import shutil
import stat
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import sweep
from keras_negaposi.index_files import manifest, segment, store
from keras_negaposi.index_files.manifest import MANIFEST
from keras_negaposi.index_files.store import Store
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

MODEL, ABOUT = {"dtype": "float16", "weights": "0123"}, {"run": "/runs/a", "head": "vector"}


def rows(keys, width=6):
    """Two tensors: one row per text, and one row per token."""
    lengths = [2 + int(key[1:]) % 3 for key in keys]
    mask = np.arange(max(lengths)) < np.array(lengths)[:, np.newaxis]
    numbers = np.array([int(key[1:]) for key in keys], np.float16)
    return {
        "vector": np.tile(numbers[:, np.newaxis] + 0.5, (1, width)),
        "states": np.tile(numbers[:, np.newaxis, np.newaxis], (1, mask.shape[1], 3)) * mask[..., np.newaxis],
        "mask": mask.astype(np.int32),
    }


def build(folder, keys, segments=2):
    """Updates an index as `build_index` does, with invented rows."""
    made = Store(str(folder))
    pages = {f"題{key}": f"本文{key}" for key in keys}
    is_current = made.pages == pages and made.lexical
    made.begin(MODEL, ABOUT, pages)
    missing = sorted(set(keys) - made.keys())
    for part in np.array_split(missing, segments) if missing else ():
        made.add(part.tolist(), [rows(part.tolist())])
    if not is_current:
        made.replace_lexical(lambda folder: store.write_json(os.path.join(folder, "keys"), sorted(keys)))
    made.finish(set(keys))


def read(folder):
    """Returns everything that a reader reads: the pages, and the rows by key."""
    opened = Store(str(folder))
    found = {}
    "".join(part for page in opened.pages.items() for part in page).encode()
    for keys, some in opened.chunks(4):
        for i, key in enumerate(keys):
            found[key] = (some["vector"][i].tolist(), some["states"][i][some["mask"][i] > 0].tolist())
    return opened.pages, found


def lexical_keys(folder):
    """Returns the keys for which the lexical part was written; ``None`` if there is no such part."""
    opened = Store(str(folder))
    return json.loads((opened.path / opened.lexical / "keys").read_text()) if opened.lexical else None


def keys_of(*numbers):
    return [f"k{number}" for number in numbers]


def without_checksums(folder):
    """Makes an index look as an older version wrote it."""
    written = json.loads((folder / MANIFEST).read_text())
    del written["checksums"]
    shutil.rmtree(folder / written.pop("lexical"))
    (folder / MANIFEST).write_text(json.dumps(written))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "index"
    build(folder, keys_of(*range(10)))
    return folder


@pytest.fixture
def index(good, tmp_path):
    return shutil.copytree(good, tmp_path / "index")


@pytest.fixture
def quick_disk(monkeypatch):
    """Skips fsync: these tests kill processes, but cut no power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def test_what_is_not_ours_stays(tmp_path, good):
    folder = tmp_path / "index"
    build(folder, keys_of(0, 1, 2))
    mine = ("pages-notes.txt", "pages-000002.json", "segment-mine/a", "segment-000003/a", ".partial-mine", "a.tmp1")
    for name in mine:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")
    build(folder, keys_of(2, 3, 4, 5, 6, 7, 8, 9), segments=3)
    build(folder, keys_of(8, 9))
    assert all((folder / name).read_text() == "mine" for name in mine)
    assert read(folder)[1] == {key: value for key, value in read(good)[1].items() if key in ("k8", "k9")}
    for name in ("pages-000001.json", "segment-000001", ".partial-mine", "manifest.json.tmp17"):
        (tmp_path / name / name).mkdir(parents=True)
        with pytest.raises(InputError, match=f'not an index .* and contains "{name}".*give a new folder'):
            Store(str(tmp_path / name))


def killed(folder, number):
    """Returns the exit code of a process that updates an index and is killed before its n-th change of the disk."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = iter(range(10**6))

    def counted(function):
        def call(*arguments, **options):
            if next(calls) == number:
                os._exit(9)
            return function(*arguments, **options)

        return call

    changes = [(module, "write_json") for module in (store, manifest, segment)]
    for module, name in (*changes, (store, "remove_tree"), (os, "rename"), (os, "replace")):
        setattr(module, name, counted(getattr(module, name)))
    build(folder, keys_of(*range(3, 12)))
    os._exit(0)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("old", [False, True])
def test_killed_anywhere_it_is_valid_and_ends_the_same(tmp_path, quick_disk, old):
    """For a new index and an update: killed before each file is written, renamed or removed."""
    wanted = keys_of(*range(3, 12))
    build(tmp_path / "whole", wanted)
    expected = read(tmp_path / "whole")
    for number in range(100):
        folder = tmp_path / str(number)
        if old:
            build(folder, keys_of(*range(8)), segments=1)
        before = read(folder) if old else ({}, {})
        code = killed(folder, number)
        pages, found = read(folder)
        if code == 0:
            break
        assert code == 9 and (pages in (expected[0], before[0])) and (not old or {*found} >= set(map(key_of, pages)))
        assert lexical_keys(folder) in ([sorted(map(key_of, pages))] if old else [None, sorted(wanted)])
        sweep(str(folder))
        build(folder, wanted)
        pages, found = read(folder)
        assert (pages, {key: found[key] for key in wanted}) == expected
        written = json.loads((folder / MANIFEST).read_text())
        assert set(os.listdir(folder)) == {MANIFEST, written["pages"], written["lexical"], *written["segments"]}
        assert lexical_keys(folder) == sorted(wanted)
    assert number > 5


def test_swapped_rows_are_noticed(index, good):
    file = next(index.glob("segment-000002/vector.npy"))
    array = np.load(file)
    np.save(file, array[::-1])
    with pytest.raises(InputError, match="segment-000002/vector.npy: its checksum differs from the one"):
        read(index)
    build(good, keys_of(*range(10)))  # The other index is intact.


def test_what_an_older_version_wrote_is_read_and_gets_checksums(index, good):
    without_checksums(index)
    assert read(index) == read(good)
    build(index, keys_of(*range(10)))
    assert tree(index) == tree(good)


@pytest.mark.parametrize("fault", ["nan", "width", "type", "rows", "order", "keys", "lengths", "pickle"])
@pytest.mark.parametrize("older", [True, False])
def test_a_damaged_segment_is_named(index, fault, older):
    if older:
        without_checksums(index)
    segment = index / "segment-000002"
    array, lengths, keys = np.load(segment / "vector.npy"), np.load(segment / "lengths.npy"), segment / "keys.json"
    damaged = array.copy()
    damaged[1, 1] = np.nan
    changes = {
        "nan": lambda: np.save(segment / "vector.npy", damaged),
        "width": lambda: np.save(segment / "vector.npy", array[:, :-1]),
        "type": lambda: np.save(segment / "vector.npy", array.astype(np.int16)),
        "rows": lambda: np.save(segment / "vector.npy", array[:-1]),
        "order": lambda: np.save(segment / "vector.npy", array.astype(">f2")),
        "keys": lambda: keys.write_text(json.dumps([*json.loads(keys.read_text())[:-1], 7])),
        "lengths": lambda: np.save(segment / "lengths.npy", lengths.astype(np.float32)),
        "pickle": lambda: np.save(segment / "vector.npy", np.array([{}] * len(array)), allow_pickle=True),
    }
    changes[fault]()
    with pytest.raises(InputError, match="segment-000002") as error:
        read(index)
    assert "build the index again" in str(error.value)


def test_values_that_are_not_finite_are_not_stored(tmp_path):
    made = Store(str(tmp_path / "index"))
    made.begin(MODEL, ABOUT, {})
    with pytest.raises(InputError, match="the model's vector has values that are not finite in float16"):
        made.add(["k1"], [rows(["k1"]) | {"vector": np.full((1, 6), np.inf, np.float16)}])


@pytest.mark.parametrize("mask, mode", [(0o077, 0o700), (0o002, 0o775)])
def test_folders_have_the_permissions_that_the_user_wants(tmp_path, mask, mode):
    old = os.umask(mask)
    try:
        build(tmp_path / "index", keys_of(1, 2))
    finally:
        os.umask(old)
    for path in (tmp_path / "index").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (mode if path.is_dir() else mode & 0o666), path


def test_readers_never_notice_a_writer(tmp_path, quick_disk):
    """The writer replaces everything again and again; each reader sees one of the two states, complete."""
    folder, done, seen = tmp_path / "index", threading.Event(), []
    halves = [keys_of(*range(0, 8)), keys_of(*range(8, 16))]
    build(folder, halves[0])
    expected = {}
    for number in (1, 0):
        build(folder, halves[number])
        pages, found = read(folder)
        expected[tuple(pages)] = (pages, {key: found[key] for key in halves[number]})

    def look():
        while not done.is_set():
            try:
                pages, found = read(folder)
                seen.append(expected[tuple(pages)] == (pages, {key: found[key] for key in map(key_of, pages)}))
            except Exception as error:
                seen.append(error)

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    number, until = 0, time.monotonic() + 2
    while time.monotonic() < until:
        number += 1
        build(folder, halves[number % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 50 and set(seen) == {True}, [found for found in seen if found is not True][:3]


def key_of(title):
    return title.removeprefix("題")


def small_files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@bounded
@given(st.data())
def test_property_of_the_index(good, tmp_path_factory, data):
    """After one mutation of a file, the index is read unchanged or the damage is reported; no file changes."""
    index = shutil.copytree(good, tmp_path_factory.mktemp("mutated") / "index")
    older = data.draw(st.booleans(), "older")
    if older:
        without_checksums(index)
    file = data.draw(st.sampled_from(small_files(index)), "file")
    content = file.read_bytes()
    if file.suffix == ".json" and data.draw(st.booleans(), "as JSON"):
        content = json.dumps(data.draw(json_mutations(json.loads(content)))).encode()
    else:
        content = data.draw(mutations(content))
    file.write_bytes(content)
    before = tree(index)
    found = succeeds_or_explains(lambda: read(index))
    if isinstance(found, InputError):
        assert str(index) in str(found)
    elif not older and file.name != MANIFEST:
        assert found == read(good)
    succeeds_or_explains(lambda: Store(str(index)).named("about", "run"))
    assert tree(index) == before
