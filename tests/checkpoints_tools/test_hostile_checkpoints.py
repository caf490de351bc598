"""Checkpoints that lie, are damaged or were made to do harm: one line each, soon, and no file of others read."""

import json
import os
import time

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from checkpoints_tools.__main__ import main
from checkpoints_tools.conversion import convert
from checkpoints_tools.formats.tf1 import write_checkpoint
from checkpoints_tools.inspection import inspect
from checkpoints_tools.source import open_source, open_weights
from tests.helpers.bundles import change_entry, rows_of, table, write_rows
from tests.helpers.checkpoints import CONFIG, all_variables, assert_same, save_tf1, write_config
from tests.helpers.properties import bounded, json_mutations, mutations, succeeds_or_explains

NAME = "bert/pooler/dense/bias"
HUGGINGFACE = CONFIG.to_huggingface("BertModel")


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """One BERT in every format: folder or file by format."""
    folder = tmp_path_factory.mktemp("formats")
    source = open_source(save_tf1(folder / "tf1", all_variables()))
    for to in ("tf2", "huggingface"):
        convert(source, str(folder / to), to)
    encoder = source.encoder()
    for name in ("encoder.h5", "encoder.weights.h5"):
        encoder.save_weights(str(folder / name))
    return folder


@pytest.fixture
def copied(formats, tmp_path):
    """Copies a folder or file of `formats`."""
    import shutil

    def copy(name):
        if (formats / name).is_dir():
            return shutil.copytree(formats / name, tmp_path / name)
        return str(shutil.copy(formats / name, tmp_path / name))

    return copy


def read_all(path, config=None):
    source = open_source(str(path), config)
    for name in source.weights:
        source.weights[name]
    return source


# TensorFlow's checkpoints


@pytest.mark.parametrize("content", ["empty", "half", "flipped"])
def test_inspect_finds_damaged_data(copied, content, capsys):
    folder = copied("tf1")
    data = folder / "model.ckpt-7.data-00000-of-00001"
    whole = bytearray(data.read_bytes())
    whole[5] ^= 1
    data.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "flipped": whole}[content])
    assert main(["inspect", str(folder)]) == 1
    assert "copy the checkpoint again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shape": [2**40, 2**40]}, "is impossible"),
        ({"shape": [-1]}, "is impossible"),
        ({"shape": [1] * 300}, "is impossible"),
        ({"shape": [13]}, "48 bytes for the shape"),
        ({"size": 2**40, "shape": [2**38]}, "is \\[274877906944\\] in the checkpoint"),
        ({"offset": 2**40}, "cut short"),
        ({"offset": -8}, "outside of the files"),
        ({"shard_id": 7}, "outside of the files"),
        ({"dtype": 77}, "element type 77 is unknown"),
    ],
)
def test_indexes_that_lie(copied, fields, said):
    folder = copied("tf1")
    change_entry(folder / "model.ckpt-7.index", NAME, **fields)
    with pytest.raises(InputError, match=said):
        read_all(folder)


def test_an_index_cannot_hold_keys_without_end(tmp_path):
    folder = tmp_path / "a"
    save_tf1(folder, all_variables())
    path = folder / "model.ckpt-7.index"
    good = rows_of(path)
    value = good[NAME.encode()]
    path.write_bytes(table([(0, b"", good[b""]), (0, b"a" * 9000, value), *[(9000, b"", value)] * 3000]))
    succeeds_or_explains(lambda: pytest.raises(InputError, read_all, folder))


def test_a_table_written_here_is_read(copied):
    """What the other tests change is a right table."""
    folder = copied("tf1")
    write_rows(folder / "model.ckpt-7.index", rows_of(folder / "model.ckpt-7.index"))
    assert_same(open_weights(str(folder)), all_variables())


def test_partitioned_variables_are_read(tmp_path):
    """As TF1's variable partitioners leave them: one entry for the whole, and one for each part."""
    value = np.arange(12, dtype=np.float32).reshape(4, 3)
    prefix = str(tmp_path / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=["a", "a"],
        shape_and_slices=["4 3 0,2:-", "4 3 2,2:-"],
        tensors=[tf.constant(value[:2]), tf.constant(value[2:])],
    )
    np.testing.assert_array_equal(open_weights(prefix)["a"], value)
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-4])
    with pytest.raises(InputError, match="cut short"):
        open_weights(prefix)["a"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (NAME, np.ones(12, np.complex64), f"{NAME} is complex64"),
        (NAME, np.ones(12, np.int32), f"{NAME} is int32"),
        (NAME, np.array(["a"] * 12), f"{NAME} is string"),
        (NAME, np.full(12, np.inf, np.float32), "holds NaN or infinity"),
        (NAME, np.full(12, 1e300, np.float64), "holds NaN or infinity"),
        ("global_step", np.arange(2), "not one whole number"),
        ("global_step", np.array("7"), "not one whole number"),
        ("global_step", np.array(7.5), "not one whole number"),
    ],
)
def test_values_that_are_no_weights(tmp_path, name, value, said, capsys):
    path = save_tf1(tmp_path / "a", all_variables() | {name: value})
    assert main(["inspect", path]) == 1
    assert said in capsys.readouterr().out
    expected = 0 if name == "global_step" else 2
    assert main(["convert", path, "--to", "huggingface", "--output_dir", str(tmp_path / "out")]) == expected


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats_are_weights(tmp_path, dtype):
    value = np.arange(12).astype(tf.dtypes.as_dtype(dtype).as_numpy_dtype)
    path = save_tf1(tmp_path / "a", all_variables() | {NAME: value})
    assert inspect(path).problems == []
    np.testing.assert_array_equal(open_source(path).weights[NAME], np.arange(12))


def test_a_state_file_that_is_not_utf8(copied):
    folder = copied("tf1")
    (folder / "checkpoint").write_bytes(b'model_checkpoint_path: "\xff\xfe"\n')
    assert_same(open_weights(str(folder)), all_variables())


@pytest.mark.parametrize("graph", [b"\xff" * 40, b""])
def test_a_garbage_object_graph(tmp_path, graph):
    folder = tmp_path / "a"
    folder.mkdir()
    write_checkpoint(str(folder / "model.ckpt"), all_variables() | {"_CHECKPOINTABLE_OBJECT_GRAPH": np.array(graph)})
    with pytest.raises(InputError):
        read_all(folder, str(write_config(tmp_path)))
    write_checkpoint(str(folder / "model.ckpt"), {"_CHECKPOINTABLE_OBJECT_GRAPH": np.ones(3)})
    with pytest.raises(InputError, match="object graph is damaged"):
        read_all(folder, str(write_config(tmp_path)))


def test_an_object_graph_that_names_what_is_not_there(tmp_path):
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    graph = TrackableObjectGraph()
    graph.nodes.add().attributes.add(name="VARIABLE_VALUE", full_name="x\n" * 200, checkpoint_key="nowhere")
    write_checkpoint(
        str(tmp_path / "model.ckpt"), {"_CHECKPOINTABLE_OBJECT_GRAPH": np.array(graph.SerializeToString())}
    )
    with pytest.raises(InputError, match="no data of"):
        succeeds_or_explains(lambda: open_weights(str(tmp_path)))
        open_weights(str(tmp_path))


def test_a_string_with_an_impossible_length(tmp_path, formats):
    """TensorFlow itself asks for as much memory as the file says."""
    import shutil

    folder = shutil.copytree(formats / "tf2", tmp_path / "a")
    index = folder / "bert_model.ckpt.index"
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto

    entry = BundleEntryProto.FromString(rows_of(index)[b"_CHECKPOINTABLE_OBJECT_GRAPH"])
    data = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[entry.offset : entry.offset + 9] = b"\xff" * 8 + b"\x7f"
    data.write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        open_weights(str(folder))


# Hugging Face


def test_shards_lie_in_the_folder(copied, tmp_path):
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
def test_h5_files_hold_only_what_keras_writes(copied, tmp_path, name, kind):
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
    said = {"virtual": "another file", "storage": "another file", "huge": "larger than the file"}.get(kind, "is a link")
    with pytest.raises(InputError, match=said):
        open_source(path, str(write_config(tmp_path)))


def test_a_weight_that_h5_names_and_does_not_hold(copied, tmp_path):
    path = copied("encoder.h5")
    with h5py.File(path, "a") as file:
        group = next(group for group in file.values() if len(group.attrs.get("weight_names", ())))
        group.attrs["weight_names"] = [b"nowhere:0"]
    with pytest.raises(InputError, match="not a readable Keras weight file"):
        open_source(path, str(write_config(tmp_path)))


def test_a_nameless_h5_is_compared_with_its_config_before_anything_is_built(copied, tmp_path):
    config = write_config(tmp_path, hidden_size=3_000_000, num_hidden_layers=900)
    error = succeeds_or_explains(lambda: open_source(copied("encoder.weights.h5"), str(config)))
    assert "does not fit the BERT config" in str(error)


@bounded
@given(data=st.data())
def test_property_of_h5(formats, tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "mutated.h5"
    path.write_bytes(data.draw(mutations((formats / "encoder.h5").read_bytes())))
    config = write_config(tmp_path_factory.getbasetemp())
    succeeds_or_explains(lambda: read_all(path, str(config)))


# Bytes


@bounded
@given(data=st.data())
@pytest.mark.parametrize("kind", ["tf1", "tf2"])
def test_property_of_tensorflow_checkpoints(formats, tmp_path_factory, kind, data):
    import shutil

    folder = tmp_path_factory.getbasetemp() / f"mutated-{kind}"
    shutil.copytree(formats / kind, folder, dirs_exist_ok=True)
    path = folder / data.draw(st.sampled_from(sorted(p.name for p in folder.iterdir())))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    succeeds_or_explains(lambda: read_all(folder))


@bounded
@given(data=st.data())
def test_property_of_entries(formats, tmp_path_factory, data):
    """Indexes whose checksums are right and whose entries lie: nothing but our own check stops them."""
    import shutil

    folder = tmp_path_factory.getbasetemp() / "entries"
    shutil.copytree(formats / "tf1", folder, dirs_exist_ok=True)
    path = folder / "model.ckpt-7.index"
    rows = rows_of(path)
    key = data.draw(st.sampled_from(sorted(rows)))
    write_rows(path, rows | {key: data.draw(mutations(rows[key]))})
    succeeds_or_explains(lambda: read_all(folder))


def test_many_long_names_are_shortened_in_messages(tmp_path):
    variables = all_variables() | {f"{'x' * 100_000}{number}\n\x1b[2J": np.ones(1, np.float32) for number in range(20)}
    path = save_tf1(tmp_path / "a", variables)
    error = succeeds_or_explains(lambda: open_source(path))
    assert "20 unexpected" in str(error) and "\x1b" not in str(error)
    started = time.perf_counter()
    assert "\x1b" not in inspect(path).table() and len(inspect(path).table()) < 20_000
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("name", ["checkpoint", "model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"])
def test_no_pipe_is_waited_for(name, tiny, tmp_path):
    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: is a pipe or a device"):
        open_weights(str(tmp_path))
