"""Hugging Face folders and Keras weight files that are damaged or malicious: rejected quickly, in one line."""

import json
import os

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from checkpoints_tools.source import open_source
from tests.helpers.checkpoints import CONFIG, read_all, write_config
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

HUGGINGFACE = CONFIG.to_huggingface("BertModel")


# Hugging Face


def test_shards_outside_of_the_folder_are_rejected(copied, tmp_path):
    folder = copied("huggingface")
    (folder / "model.safetensors").rename(tmp_path / "secret.safetensors")
    for place in (7, None, ["a"], "../secret.safetensors", str(tmp_path / "secret.safetensors"), "", "..", "a/../b"):
        index = {"weight_map": {"pooler.dense.bias": place}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(InputError, match="a shard is a file in the same folder"):
            open_source(str(folder))


@pytest.mark.parametrize("dtype", ["F8_E4M3", "C64", "I8", "BOOL", "F4", "X"])
def test_other_element_types_of_safetensors(copied, dtype):
    folder = copied("huggingface")
    file = folder / "model.safetensors"
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    name = next(name for name in header if name.endswith("pooler.dense.bias"))
    header[name]["dtype"] = dtype
    raw = json.dumps(header).encode()
    file.write_bytes(len(raw).to_bytes(8, "little") + raw + content[8 + length :])
    with pytest.raises(InputError):
        read_all(folder)


def test_a_folder_called_safetensors(copied, tmp_path):
    folder = copied("huggingface")
    os.remove(folder / "model.safetensors")
    (folder / "model.safetensors").mkdir()
    (tmp_path / "empty.safetensors").mkdir()
    os.mkfifo(tmp_path / "pipe.safetensors")
    for path in (folder, folder / "model.safetensors", tmp_path / "empty.safetensors", tmp_path / "pipe.safetensors"):
        with pytest.raises(InputError):
            open_source(str(path))


@bounded
@given(data=st.data())
def test_property_of_huggingface(formats, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "huggingface"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(HUGGINGFACE))
    good = (formats / "huggingface/model.safetensors").read_bytes()
    header = 8 + int.from_bytes(good[:8], "little")
    changed = data.draw(mutations(good[:header])) + good[header:]
    (folder / "model.safetensors").write_bytes(data.draw(st.sampled_from((changed, changed, good))))
    index = {"metadata": {}, "weight_map": {"pooler.dense.bias": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(data.draw(json_mutations(index))))
    succeeds_or_explains(lambda: read_all(folder))


# Keras


@pytest.mark.parametrize("name", ["encoder.h5", "encoder.weights.h5"])
@pytest.mark.parametrize("kind", ["external", "dangling", "soft", "virtual", "storage", "huge"])
def test_h5_content_that_keras_does_not_write(copied, tmp_path, name, kind):
    path = copied(name)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.ones(5)
    (tmp_path / "secret").write_bytes(b"x" * 80)
    with h5py.File(path, "a") as file:
        if kind == "external":
            file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        elif kind in ("dangling", "soft"):
            file["x"] = h5py.SoftLink("/nowhere" if kind == "dangling" else "/")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((5,), "f4")
            layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (5,))
            file.create_virtual_dataset("x", layout)
        elif kind == "storage":
            file.create_dataset("x", (20,), "f4", external=[(str(tmp_path / "secret"), 0, 80)])
        else:
            file.create_dataset("x", (10**6, 10**6), "f4", chunks=(10, 10))
    message = {"virtual": "another file", "storage": "another file", "huge": "larger than the file"}.get(
        kind, "is a link"
    )
    with pytest.raises(InputError, match=message):
        open_source(path, str(write_config(tmp_path)))


def test_an_h5_file_that_names_a_missing_weight(copied, tmp_path):
    path = copied("encoder.h5")
    with h5py.File(path, "a") as file:
        group = next(group for group in file.values() if len(group.attrs.get("weight_names", ())))
        group.attrs["weight_names"] = [b"nowhere:0"]
    with pytest.raises(InputError, match="not a readable Keras weight file"):
        open_source(path, str(write_config(tmp_path)))


def test_a_nameless_h5_is_compared_with_its_config_before_anything_is_built(copied, tmp_path):
    config = write_config(tmp_path, hidden_size=3_000_000, num_hidden_layers=900)
    error = succeeds_or_explains(lambda: open_source(copied("encoder.weights.h5"), str(config)))
    assert "does not match the BERT config" in str(error)


@bounded
@given(data=st.data())
def test_property_of_h5(formats, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.h5"
    path.write_bytes(data.draw(mutations((formats / "encoder.h5").read_bytes())))
    config = write_config(tmp_path_factory.getbasetemp())
    succeeds_or_explains(lambda: read_all(path, str(config)))
