"""TensorFlow checkpoints that are damaged or malicious: rejected quickly, in one line, without reading other files."""

import os
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from checkpoints_tools import InputError
from checkpoints_tools.__main__ import main
from checkpoints_tools.formats.tf1 import write_checkpoint
from checkpoints_tools.inspection import inspect
from checkpoints_tools.source import open_source, open_weights
from tests.helpers.bundles import change_entry, rows_of, table, write_rows
from tests.helpers.checkpoints import all_variables, assert_same, read_all, save_tf1, write_config
from tests.helpers.properties import bounded, mutations, succeeds_or_explains

NAME = "bert/pooler/dense/bias"


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
    ("fields", "message"),
    [
        ({"shape": [2**40, 2**40]}, "is invalid"),
        ({"shape": [-1]}, "is invalid"),
        ({"shape": [1] * 300}, "is invalid"),
        ({"shape": [13]}, "48 bytes for the shape"),
        ({"size": 2**40, "shape": [2**38]}, "is \\[274877906944\\] in the checkpoint"),
        ({"offset": 2**40}, "truncated"),
        ({"offset": -8}, "outside of the files"),
        ({"shard_id": 7}, "outside of the files"),
        ({"dtype": 77}, "element type 77 is unknown"),
    ],
)
def test_invalid_index_entries(copied, fields, message):
    folder = copied("tf1")
    change_entry(folder / "model.ckpt-7.index", NAME, **fields)
    with pytest.raises(InputError, match=message):
        read_all(folder)


def test_an_index_with_endless_keys(tmp_path):
    folder = tmp_path / "a"
    save_tf1(folder, all_variables())
    path = folder / "model.ckpt-7.index"
    good = rows_of(path)
    value = good[NAME.encode()]
    path.write_bytes(table([(0, b"", good[b""]), (0, b"a" * 9000, value), *[(9000, b"", value)] * 3000]))
    succeeds_or_explains(lambda: pytest.raises(InputError, read_all, folder))


def test_a_table_written_here_is_read(copied):
    """The other tests start from a valid table."""
    folder = copied("tf1")
    write_rows(folder / "model.ckpt-7.index", rows_of(folder / "model.ckpt-7.index"))
    assert_same(open_weights(str(folder)), all_variables())


def test_partitioned_variables_are_read(tmp_path):
    """TF1's variable partitioners write one entry for the whole tensor and one for each part."""
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
    with pytest.raises(InputError, match="truncated"):
        open_weights(prefix)["a"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (NAME, np.ones(12, np.complex64), f"{NAME} is complex64"),
        (NAME, np.ones(12, np.int32), f"{NAME} is int32"),
        (NAME, np.array(["a"] * 12), f"{NAME} is string"),
        (NAME, np.full(12, np.inf, np.float32), "holds NaN or infinity"),
        (NAME, np.full(12, 1e300, np.float64), "holds NaN or infinity"),
        ("global_step", np.arange(2), "not a single integer"),
        ("global_step", np.array("7"), "not a single integer"),
        ("global_step", np.array(7.5), "not a single integer"),
    ],
)
def test_values_that_are_not_weights(tmp_path, name, value, message, capsys):
    path = save_tf1(tmp_path / "a", all_variables() | {name: value})
    assert main(["inspect", path]) == 1
    assert message in capsys.readouterr().out
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


def test_an_object_graph_that_names_missing_data(tmp_path):
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    graph = TrackableObjectGraph()
    graph.nodes.add().attributes.add(name="VARIABLE_VALUE", full_name="x\n" * 200, checkpoint_key="nowhere")
    write_checkpoint(
        str(tmp_path / "model.ckpt"), {"_CHECKPOINTABLE_OBJECT_GRAPH": np.array(graph.SerializeToString())}
    )
    with pytest.raises(InputError, match="no data for"):
        succeeds_or_explains(lambda: open_weights(str(tmp_path)))
        open_weights(str(tmp_path))


def test_a_string_with_an_impossible_length(tmp_path, formats):
    """TensorFlow itself would allocate as much memory as the file claims."""
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


@bounded
@given(data=st.data())
@pytest.mark.parametrize("kind", ["tf1", "tf2"])
def test_property_of_tensorflow_checkpoints(formats, tmp_path_factory, kind, data):
    folder = tmp_path_factory.getbasetemp() / f"mutated-{kind}"
    shutil.copytree(formats / kind, folder, dirs_exist_ok=True)
    path = folder / data.draw(st.sampled_from(sorted(p.name for p in folder.iterdir())))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    succeeds_or_explains(lambda: read_all(folder))


@bounded
@given(data=st.data())
def test_property_of_entries(formats, tmp_path_factory, data):
    """Indexes with valid checksums and invalid entries: only our own check stops them."""
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
def test_pipes_are_rejected(name, tiny, tmp_path):
    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: is a pipe or a device"):
        open_weights(str(tmp_path))
