"""``pytorch_model.bin``: read without PyTorch, and never run."""

import json
import os
import shutil

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from checkpoints_tools import InputError
from checkpoints_tools.formats.torch_file import TorchFile
from checkpoints_tools.source import open_source
from tests.helpers.properties import bounded, mutations, succeeds_or_explains
from tests.helpers.torch_files import name, save_sequential, save_zip, state_dict, tensor, value

SAVERS = [save_zip, save_sequential]


def arrays():
    rng = np.random.default_rng(0)
    return {
        "a": rng.normal(size=(3, 4)).astype(np.float32),
        "b": rng.normal(size=5).astype(np.float16),
        "c": rng.normal(size=(2, 2, 2)).astype(ml_dtypes.bfloat16),
        "d": np.arange(6).reshape(1, 6),
        "e": np.float64(7).reshape(()),
    }


@pytest.fixture(scope="module")
def tensors(formats):
    from safetensors.numpy import load_file

    return load_file(formats / "huggingface/model.safetensors")


def folder_with(formats, path, **files):
    """A Hugging Face folder with other weights: a function that writes each."""
    shutil.copytree(formats / "huggingface", path)
    os.remove(path / "model.safetensors")
    for file, write in files.items():
        write(path / file.replace("__", "."))
    return path


@pytest.mark.parametrize("save", SAVERS)
def test_every_element_type(tmp_path, save):
    file = TorchFile(str(save(tmp_path / "x.bin", arrays())))
    assert {key: (each.shape, each.dtype) for key, each in file.variables.items()} == {
        key: (array.shape, array.dtype.name) for key, array in arrays().items()
    }
    for key, array in arrays().items():
        np.testing.assert_array_equal(file.read(key), array)


@pytest.mark.parametrize("save", SAVERS)
def test_a_folder_is_the_same_bert(formats, tensors, tmp_path, save):
    folder = folder_with(formats, tmp_path / "bert", pytorch_model__bin=lambda path: save(path, tensors))
    expected = open_source(str(formats / "huggingface")).weights
    for path in (folder, folder / "pytorch_model.bin"):
        found = open_source(str(path)).weights
        assert found.fingerprint() == expected.fingerprint()
        np.testing.assert_equal(dict(found), dict(expected))  # the output heads as well


def test_shards(formats, tensors, tmp_path):
    parts = {f"pytorch_model-{number}.bin": sorted(tensors)[number::2] for number in range(2)}

    def write(path):
        for file, names in parts.items():
            save_zip(path.parent / file, {each: tensors[each] for each in names})
        where = {each: file for file, names in parts.items() for each in names}
        path.write_text(json.dumps({"weight_map": where}))

    folder = folder_with(formats, tmp_path / "bert", pytorch_model__bin__index__json=write)
    expected = open_source(str(formats / "huggingface")).weights
    assert open_source(str(folder)).weights.fingerprint() == expected.fingerprint()


def test_safetensors_are_preferred(formats, tmp_path):
    folder = shutil.copytree(formats / "huggingface", tmp_path / "bert")
    (folder / "pytorch_model.bin").write_bytes(b"never opened")
    assert open_source(str(folder)).weights.fingerprint()


def test_views_of_a_storage(tmp_path):
    array = np.arange(12, dtype=np.float32)
    code = state_dict({"t": tensor(array, "0", shape=(4, 3), strides=(1, 4))})
    file = TorchFile(str(save_zip(tmp_path / "x.bin", {"t": array}, code)))
    np.testing.assert_array_equal(file.read("t"), array.reshape(3, 4).T)


FLOATS = np.arange(4, dtype=np.float32)
HOSTILE = {
    "a call": name("os", "system") + b"(" + value("touch hacked") + b"tR",
    "a call of what is built in": name("builtins", "eval") + b"(" + value("1") + b"tR",
    "a name of a later protocol": value("os") + value("system") + b"\x93(" + value("touch hacked") + b"tR",
    "an object": b"(" + name("os", "system")[1:] + b"i" + b".",
    "a call of an element type": name("torch", "FloatStorage") + b")R",
    "a call of a result": name("collections", "OrderedDict") + b")R)R",
    "another type of numbers": state_dict({"t": tensor(FLOATS, "0", kind="QInt8")}),
    "a tensor beyond its storage": state_dict({"t": tensor(FLOATS, "0", shape=(2, 3), strides=(3, 1))}),
    "a tensor that repeats its numbers": state_dict({"t": tensor(FLOATS, "0", shape=(10**9,), strides=(0,))}),
    "a negative step": state_dict({"t": tensor(FLOATS, "0", strides=(-1,))}),
    "a storage of no size": state_dict({"t": tensor(FLOATS, "0", count=-1)}),
    "no dict": value((1, 2)),
    "a key that takes years to hash": b"}(" + value("x") + b"q\x01" + b"h\x01h\x01\x86q\x01" * 60 + b"Nu",
    "a memo that is not there": b"h\x05",
    "a mark that is not there": b"t",
    "an empty stack": b"R",
}


@pytest.mark.parametrize("save", SAVERS)
@pytest.mark.parametrize("what", HOSTILE)
def test_whatever_is_no_dict_of_tensors_is_one_line(tmp_path, monkeypatch, save, what):
    monkeypatch.chdir(tmp_path)
    path = save(tmp_path / "pytorch_model.bin", {"t": FLOATS}, HOSTILE[what])
    with pytest.raises(InputError, match=r"pytorch_model\.bin: not a .*safetensors") as error:
        TorchFile(str(path))
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["pytorch_model.bin"]


def test_the_message_names_what_would_be_called(tmp_path):
    with pytest.raises(InputError, match=r"it would call os\.system"):
        TorchFile(str(save_zip(tmp_path / "x.bin", {}, HOSTILE["a call"])))


@pytest.mark.parametrize("save", SAVERS)
def test_numbers_that_are_cut_short(tmp_path, save):
    code = None if save is save_sequential else state_dict({"a": tensor(FLOATS, "0", count=9)})
    path = save(tmp_path / "x.bin", {"a": FLOATS}, code)
    if save is save_sequential:
        path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"x\.bin: .*copy it again"):
        TorchFile(str(path)).read("a")


@pytest.mark.parametrize("content", [b"", b"\x80\x02.", b"PK\x03\x04", b"x" * 100])
def test_other_files(tmp_path, content):
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(InputError, match="not a readable file"):
        TorchFile(str(tmp_path / "x.bin"))
    with pytest.raises(InputError, match="no such file"):
        TorchFile(str(tmp_path / "y.bin"))
    with pytest.raises(InputError, match="not a "):
        open_source(str(tmp_path / "x.bin"))


@pytest.mark.parametrize("save", SAVERS)
def test_property_damage_is_explained(tmp_path_factory, save):
    folder = tmp_path_factory.mktemp("damaged")
    content = save(folder / "x.bin", arrays()).read_bytes()

    def read(path):
        file = TorchFile(str(path))
        return [file.read(key) for key in file.variables]

    @bounded
    @given(mutations(content))
    def check(damaged):
        (folder / "y.bin").write_bytes(damaged)
        succeeds_or_explains(lambda: read(folder / "y.bin"))

    check()
