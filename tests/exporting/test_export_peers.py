"""Exported folders in transformers, sentence-transformers and onnxruntime. Needs the extra ``peers``."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_negaposi.config import HeadConfig, TrainConfig
from keras_negaposi.config.heads import HEADS
from keras_negaposi.config.model import complete_model_files
from keras_negaposi.export import main as export
from keras_negaposi.exporting.onnx_file import to_onnx
from keras_negaposi.exporting.tokenizer_folder import write_tokenizer
from keras_negaposi.input_pipeline.feature_spec import LAYOUTS
from keras_negaposi.modeling.heads import build
from keras_negaposi.serving.by_ids import run_preprocessor
from keras_negaposi.tokenizers.opening import open_tokenizer
from tests.helpers.checkpoints import CONFIG
from tests.helpers.tokenizers import CHECKPOINTS, FRAGMENTS, ODD_TEXTS, SPECIAL, odd_texts

pytestmark = pytest.mark.peers
TOLERANCE = 1e-5
OURS_ALONE = (*SPECIAL, "<s>", "</s>", "<unk>", "<pad>")
"""What is ordinary text for us and a special id for transformers."""


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    """(head, format) -> the exported folder."""
    folder = tmp_path_factory.mktemp("peers")
    formats = [("pair", "huggingface"), ("vector", "sentence_transformers"), ("pair", "onnx"), ("vector", "onnx")]
    for head, to in formats:
        assert export([str(runs[head]), "--to", to, "--output", str(folder / head / to)]) == 0
    return {(head, to): str(folder / head / to) for head, to in formats}


def signature(run, name):
    loaded = tf.saved_model.load(str(run / "saved_model"))
    return lambda **inputs: {key: value.numpy() for key, value in loaded.signatures[name](**inputs).items()}


def inputs_of(run, pairs):
    preprocessor = run_preprocessor(str(run))
    packed = preprocessor(*(tf.constant(side) for side in pairs))
    return {name: packed[name] for name in preprocessor.layout.inputs}, packed["truncated"].numpy()


def program_of(folder):
    """The program in the model card, with the folder's path and without what it prints."""
    code = re.search(r"```python\n(.*?)```", open(f"{folder}/README.md", encoding="utf-8").read(), re.DOTALL)[1]
    return code.replace("FOLDER", repr(folder)).replace("print(", "str(")


def test_transformers_scores_as_the_run(runs, exported, pairs):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = exported["pair", "huggingface"]
    inputs, truncated = inputs_of(runs["pair"], pairs)
    ours = signature(runs["pair"], "ids")(**inputs)["probabilities"]
    names = {}
    exec(program_of(folder), names)
    theirs = [names["probability"](a, b) for a, b in zip(*pairs, strict=True)]
    np.testing.assert_allclose(theirs, ours[:, 1], atol=TOLERANCE)

    # A pair that is not cut needs no more than a call.
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["mismatched_keys"]
    whole = [pair for pair, cut in zip(zip(*pairs, strict=True), truncated, strict=True) if not cut]
    assert 3 < len(whole) < len(truncated)
    batch = tokenizer(*map(list, zip(*whole, strict=True)), padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model.eval()(**batch).logits / model.config.keras_negaposi["temperature"]
    np.testing.assert_allclose(torch.softmax(logits, -1).numpy(), ours[~truncated], atol=TOLERANCE)


def test_sentence_transformers_embeds_as_the_run(runs, exported, pairs, cosine_alone):
    from sentence_transformers import SentenceTransformer

    folder = exported["vector", "sentence_transformers"]
    model = SentenceTransformer(folder, device="cpu")
    query, document = (signature(runs["vector"], f"encode_{side}") for side in "ab")
    a, b = pairs
    np.testing.assert_allclose(model.encode_query(a), query(text=tf.constant(a))["vector"], atol=TOLERANCE)
    expected = document(text=tf.constant(b))["vector"]
    np.testing.assert_allclose(model.encode_document(b), expected, atol=TOLERANCE)
    np.testing.assert_allclose(model.encode(b), expected, atol=TOLERANCE)
    names = {}
    exec(program_of(folder), names)
    encode = tf.saved_model.load(str(runs["vector"] / "saved_model")).signatures
    texts = {"a": tf.constant(["一枚目の本文"]), "b": tf.constant(["二枚目の本文"])}
    sides = {side: encode[f"encode_{side}"](text=text) for side, text in texts.items()}
    assert names["probability"] == pytest.approx(cosine_alone(sides)[0], abs=1e-4)


@pytest.mark.parametrize("head", ["pair", "vector"])
def test_onnxruntime_scores_as_the_run(runs, exported, pairs, head):
    import onnxruntime

    inputs, _ = inputs_of(runs[head], pairs)
    ours = signature(runs[head], "ids")(**inputs)
    session = onnxruntime.InferenceSession(f"{exported[head, 'onnx']}/model.onnx", providers=["CPUExecutionProvider"])
    numbers = {name: value.numpy() for name, value in inputs.items()}
    label, probabilities = session.run(["label", "probabilities"], numbers)
    np.testing.assert_allclose(probabilities, ours["probabilities"], atol=1e-4)
    np.testing.assert_array_equal(label, ours["label"])
    one = session.run(["probabilities"], {name: value[:1] for name, value in numbers.items()})[0]
    np.testing.assert_allclose(one, probabilities[:1], atol=1e-4)


@pytest.mark.parametrize("head", sorted(HEADS.keys() - {"pair", "vector"}))
def test_every_other_head_has_the_same_scores_in_onnxruntime(head):
    import onnxruntime

    model, specs = build(HeadConfig(head=head), CONFIG), LAYOUTS[HEADS[head].layout].signature()
    content = to_onnx(lambda features: {"probabilities": model(features, training=False)}, specs)
    rng, mask = np.random.default_rng(0), np.arange(7) < np.array([[7], [4], [2]])
    inputs = {name: rng.integers(0, 2 if "type" in name else 100, (3, 7), np.int32) for name in specs}
    inputs |= {name: mask.astype(np.int32) for name in specs if name.endswith("mask")}
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    ours = model({name: tf.constant(value) for name, value in inputs.items()}, training=False)
    np.testing.assert_allclose(session.run(["probabilities"], inputs)[0], ours, atol=1e-4)


def test_requests_of_tensorflow_serving(runs, tmp_path, pairs):
    """Requests as a client sends them, answered by the exported signatures; no server was available."""
    from tensorflow_serving.apis import predict_pb2

    assert export([str(runs["pair"]), "--to=serving", f"--output={tmp_path}/model"]) == 0
    loaded = tf.saved_model.load(f"{tmp_path}/model/1")
    inputs, _ = inputs_of(runs["pair"], pairs)
    answers = []
    texts = dict(zip(("text_a", "text_b"), pairs, strict=True))
    for name, given in (("serving_default", texts), ("ids", inputs)):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = "model", name
        for key, value in given.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        sent = predict_pb2.PredictRequest.FromString(request.SerializeToString())
        called = loaded.signatures[sent.model_spec.signature_name]
        expected = called.structured_input_signature[1]
        assert sent.inputs.keys() == expected.keys()
        assert all(tensor.dtype == expected[key].dtype for key, tensor in sent.inputs.items())
        result = called(**{key: tf.constant(tf.make_ndarray(tensor)) for key, tensor in sent.inputs.items()})
        answers.append(result["probabilities"].numpy())
    assert [answer.shape for answer in answers] == [(40, 2)] * 2
    np.testing.assert_allclose(answers[1], signature(runs["pair"], "ids")(**inputs)["probabilities"], atol=1e-6)


@pytest.mark.shared
@pytest.mark.parametrize(("lower", "most", "most_real"), [(True, 117, 1), (False, 113, 0)])
def test_the_exported_tokenizer_of_a_real_bert(shared, tmp_path, lower, most, most_real):
    """The counts in exporting/README.md: 3,000 real slides, and random texts of odd fragments."""
    from transformers import AutoTokenizer

    files = {name: str(shared / f"checkpoints/ja-e5-small/wiki-ja.{name[:5]}") for name in ("model_file", "vocab_file")}
    config = TrainConfig(**files, tokenizer="sentencepiece", do_lower_case=lower, output_dir="o")
    ours = open_tokenizer(config)
    write_tokenizer(config, ours, str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    real = list(json.loads((shared / "data/slides/honbun_data.json").read_text(encoding="utf-8")).values())
    texts = [*real[:3000], *ODD_TEXTS, *FRAGMENTS, *odd_texts(5000, real)]
    theirs = AutoTokenizer.from_pretrained(tmp_path)(texts, add_special_tokens=False)["input_ids"]
    different = [
        number
        for number, (a, b) in enumerate(zip(ours.encode(texts), theirs, strict=True))
        if a != b and not any(piece in texts[number] for piece in OURS_ALONE)
    ]
    assert len(different) <= most and sum(number < 3000 for number in different) <= most_real


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_exported_tokenizers_have_our_ids(kind, lower, tiny, corpus, tmp_path):
    from transformers import AutoTokenizer

    CHECKPOINTS[kind](tmp_path, corpus, tiny)
    files = {"init_checkpoint": str(tmp_path / "model.ckpt-7"), "bert_config_file": tiny.flags["bert_config_file"]}
    for path in [tmp_path / "model.ckpt-7.index"]:
        path.write_bytes(b"")
    options = complete_model_files({**files, "honbun": "h", "negaposi": "n", "do_lower_case": lower})
    config = TrainConfig(**options, output_dir="o", max_seq_length=20)
    ours = open_tokenizer(config)
    (out := tmp_path / "out").mkdir()
    padding = write_tokenizer(config, ours, str(out))
    (out / "config.json").write_text(json.dumps({"model_type": "bert"}))
    theirs = AutoTokenizer.from_pretrained(out)
    assert (theirs.cls_token_id, theirs.sep_token_id, theirs.pad_token_id) == (ours.cls_id, ours.sep_id, padding)
    assert (theirs.model_max_length, theirs.truncation_side) == (20, "right")
    texts = [*corpus.values(), *FRAGMENTS, *odd_texts(2_000, corpus.values())]
    texts = [text for text in texts if not any(piece in text for piece in OURS_ALONE)]
    differing = [
        (text, a, b)
        for text, a, b in zip(
            texts, ours.encode(texts), (theirs(t, add_special_tokens=False).input_ids for t in texts), strict=True
        )
        if a != b
    ]
    plain = set(corpus.values())
    assert not [text for text, _, _ in differing if text in plain]
    # SentencePiece: marks on letters that have no such form, and equally good divisions of a repeated letter.
    assert len(differing) <= (0.03 * len(texts) if kind in ("sentencepiece", "xlmr") else 0), differing[:3]

    # The special pieces and token types of a pair are ours too.
    a, b = ("りんごを買う。", "会議で話す。")
    together = theirs(a, b)
    ids_a, ids_b = ours.encode([a, b])
    assert together["input_ids"] == [ours.cls_id, *ids_a, ours.sep_id, *ids_b, ours.sep_id]
    types = [0] * (len(ids_a) + 2) + [ours.token_types - 1] * (len(ids_b) + 1)
    assert together["token_type_ids"] == types
