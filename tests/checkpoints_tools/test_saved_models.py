"""SavedModels that are damaged, of another kind or that reach files: rejected in one line before they run."""

import shutil

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from checkpoints_tools import InputError
from checkpoints_tools.saved_model import check_saved_model, load_saved_model
from keras_negaposi.serving.scorer import Scorer
from tests.helpers.properties import EXAMPLES, bounded, mutations, succeeds_or_explains

TEXTS = [tf.TensorSpec([None], tf.string, name) for name in ("text_a", "text_b")]


def classify(weight, a):
    share = tf.sigmoid(weight * tf.cast(tf.strings.length(a), tf.float32))
    return {"probabilities": tf.stack([1 - share, share], 1), "label": tf.cast(share > 0.5, tf.int32)}


def save(folder, compute=classify, signature=TEXTS, name="serving_default", **attributes):
    """Saves a module whose signature computes from a variable and text A."""
    module = tf.Module()
    module.weight = tf.Variable(0.1)
    for attribute, value in attributes.items():
        setattr(module, attribute, value)
    by_name = {spec.name: spec for spec in signature}
    function = tf.function(lambda **texts: compute(module.weight, texts["text_a"])).get_concrete_function(**by_name)
    tf.saved_model.save(module, str(folder), signatures={name: function})
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return save(tmp_path_factory.mktemp("saved") / "good")


@pytest.fixture
def copied(good, tmp_path):
    return shutil.copytree(good, tmp_path / "copied")


def test_a_valid_model_scores(good):
    probabilities, labels = Scorer(str(good)).score(["aa", ""], ["b", "b"])
    assert probabilities.tolist() == pytest.approx([0.55, 0.5], abs=1e-3) and labels.tolist() == [1, 0]


def assert_rejected(folder, message):
    error = succeeds_or_explains(lambda: Scorer(str(folder)))
    assert isinstance(error, InputError) and message in str(error) and str(folder) in str(error)


def without_probabilities(weight, a):
    return {"label": classify(weight, a)["label"]}


def of_three_classes(weight, a):
    return {"probabilities": tf.zeros([tf.size(a), 3]), "label": tf.zeros([tf.size(a)], tf.int32)}


def of_integers(weight, a):
    return {"probabilities": tf.zeros([tf.size(a), 2], tf.int32), "label": tf.zeros([tf.size(a)], tf.int32)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compute": without_probabilities}, "serving_default has no output probabilities"),
        ({"compute": of_three_classes}, "as probabilities"),
        ({"compute": of_integers}, "as probabilities"),
        ({"name": "other"}, "has no signature serving_default"),
        ({"signature": [*TEXTS, tf.TensorSpec([None], tf.string, "text_c")]}, "not text_a and text_b"),
    ],
)
def test_other_signatures(tmp_path, options, message):
    assert_rejected(save(tmp_path / "other", **options), message)


@pytest.mark.parametrize("name", ["variables.index", "variables.data-00000-of-00001"])
@pytest.mark.parametrize("content", [b"", b"x" * 3, None])
def test_missing_and_truncated_variables(copied, name, content):
    path = copied / "variables" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert_rejected(copied, name)


def test_a_garbage_program(copied):
    program = (copied / "saved_model.pb").read_bytes()
    for content in (b"", b"\xff" * 100, program[:200], program[:-100]):
        (copied / "saved_model.pb").write_bytes(content)
        assert_rejected(copied, "")


def test_a_saved_model_of_tensorflow_1(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.compat.v1.placeholder(tf.string, [None], "text_a")
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "old"), {"text_a": a}, {"label": tf.identity(a)})
    assert_rejected(tmp_path / "old", "not a SavedModel of TensorFlow 2")


class WritesWhenLoaded(tf.Module):
    """TensorFlow calls a resource's initializer as soon as it loads it."""

    def __init__(self, path):
        from tensorflow.python.trackable.resource import TrackableResource

        class Resource(TrackableResource):
            def _create_resource(self):
                return tf.raw_ops.AnonymousHashTable(key_dtype=tf.string, value_dtype=tf.string)

            def _initialize(self):
                tf.io.write_file(path, "evil")

        super().__init__()
        self.resource = Resource()


def harmful(path):
    def write(weight, a):
        tf.io.write_file(path, "evil")
        return classify(weight, a)

    def write_sometimes(weight, a):
        tf.cond(weight > 0, lambda: tf.io.write_file(path, "evil"), lambda: tf.no_op())
        return classify(weight, a)

    def read(weight, a):
        return classify(weight, tf.io.read_file("/etc/hostname") + a)

    def call_python(weight, a):
        return classify(weight, tf.ensure_shape(tf.py_function(lambda x: x, [a], tf.string), [None]))

    def save_tensors(weight, a):
        tf.raw_ops.SaveV2(prefix=path, tensor_names=["a"], shape_and_slices=[""], tensors=[a])
        return classify(weight, a)

    def dump(weight, a):
        tf.print(a, output_stream=f"file://{path}")
        return classify(weight, a)

    def iterate(weight, a):
        return classify(weight, tf.data.TextLineDataset("/etc/hostname").reduce(a, lambda found, _: found))

    def map_memory(weight, a):
        size = tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[1], memory_region_name=path)
        return classify(weight + size[0], a)

    return [write, write_sometimes, read, call_python, save_tensors, dump, iterate, map_memory]


@pytest.mark.parametrize("number", range(8))
def test_operations_that_reach_files_are_rejected(tmp_path, number):
    target = tmp_path / "written"
    compute = harmful(str(target))[number]
    folder = save(tmp_path / "evil", compute=compute)
    target.unlink(missing_ok=True)
    assert_rejected(folder, "holds the operation")
    assert not list(tmp_path.glob("written*"))


def test_a_model_that_writes_while_it_is_loaded_is_rejected(tmp_path):
    target = tmp_path / "written"
    folder = save(tmp_path / "evil", module=WritesWhenLoaded(str(target)))
    target.unlink(missing_ok=True)
    assert_rejected(folder, "holds the operation WriteFile")
    assert not target.exists()


def test_functions_named_in_nested_attributes_are_checked(good, copied):
    """A call can hide the function's name in an attribute of an attribute."""
    saved = SavedModel.FromString((copied / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    hidden = functions.add()
    hidden.signature.name = "hidden"
    hidden.node_def.add(name="x", op="WriteFile")
    called = next(f for f in functions if "signature_wrapper" in f.signature.name)
    called.node_def[0].attr["f"].func.attr["g"].func.name = "hidden"
    (copied / "saved_model.pb").write_bytes(saved.SerializeToString())
    assert_rejected(copied, "holds the operation WriteFile")
    check_saved_model(str(good))


@pytest.mark.parametrize(
    "command", ["predict", "evaluate", "index", "suggest", "train", "baseline", "checkpoints_tools"]
)
def test_help_warns_of_models_from_others(command, capsys):
    import importlib

    name = f"{command}.__main__" if command == "checkpoints_tools" else f"keras_negaposi.{command}"
    with pytest.raises(SystemExit):
        importlib.import_module(name).main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "can execute code" in text and "saved_model_cli show" in text and "checkpoints_tools inspect" in text


@bounded
@given(data=st.data())
def test_property_of_programs(good, tmp_path_factory, data):
    """Checks without loading, because loading is slow."""
    folder = tmp_path_factory.getbasetemp() / "program"
    shutil.copytree(good, folder, dirs_exist_ok=True)
    path = folder / data.draw(st.sampled_from(("saved_model.pb", "variables/variables.index")))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    succeeds_or_explains(lambda: check_saved_model(str(folder)))


@settings(bounded, max_examples=min(300, EXAMPLES // 5))
@given(data=st.data())
def test_property_of_loading(good, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "loaded"
    shutil.copytree(good, folder, dirs_exist_ok=True)
    names = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
    path = folder / data.draw(st.sampled_from(names))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    succeeds_or_explains(lambda: load_saved_model(str(folder)))
