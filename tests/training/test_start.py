"""The head of a new run starts from data: as good as the frozen encoder, and only from labelled training pairs."""

import dataclasses
import gc
import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.formats.tf1 import write_checkpoint
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.model import complete_model_files
from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
from keras_negaposi.modeling.heads import build
from keras_negaposi.runtime import memory
from keras_negaposi.train import main
from keras_negaposi.training import start
from keras_negaposi.training.fit import build_for_training
from keras_negaposi.training.optimizer import BertAdam
from keras_negaposi.training.run_inputs import read_run_inputs
from tests.helpers.forked import Python
from tests.helpers.numpy_bert import bert
from tests.helpers.tiny_bert import random_tf1_variables

DEVICES = tf.distribute.get_strategy()


def configured(tiny, head, **options):
    options = {"max_seq_length": 20, "truncate_a": "start", "dev_share": 0.1, "precision": "float32"} | options
    return TrainConfig(**tiny.flags, head=head, output_dir="unused", **options)


def started(config, read):
    """Returns a model before its first step."""
    tf.keras.utils.set_random_seed(config.seed)
    bert_config = read.pretrained.bert_config
    model = build_for_training(config, read.pretrained, 10, lambda: build(config, bert_config), DEVICES)
    start.start_from_data(model, config, read.pretrained, read.inputs, DEVICES)
    return model


def frozen_states(pretrained, packed):
    """Returns the last hidden states of A and of B for each pair, computed by NumPy, without padding."""
    config = pretrained.bert_config
    for side in "ab":
        inputs = [packed[f"{side}_{name}"].numpy() for name in ENCODER_INPUTS]
        states = bert(random_tf1_variables(config), config, *inputs)[0][-1]
        yield [row[mask > 0] for row, mask in zip(states, inputs[1], strict=True)]


def pack(read, pairs):
    texts = read.inputs.data.texts
    return read.inputs.preprocessor(*(tf.constant([texts[getattr(p, side)] for p in pairs]) for side in "ab"))


def cosine(a, b):
    return (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)


def regression(numbers, labels, others):
    """Standardizes, fits and predicts; the probabilities for other pairs."""
    mean, deviation = numbers.mean(axis=0), numbers.std(axis=0)
    fitted = LogisticRegression().fit((numbers - mean) / deviation, labels)
    return fitted.predict_proba((others - mean) / deviation)[:, 1]


def test_maxsim_starts_as_the_frozen_encoder_compares_tokens(tiny):
    config = configured(tiny, "maxsim", head_size=5)
    read = read_run_inputs(config)
    model = started(config, read)
    sample = start.draw_pairs(read.inputs, read.inputs.preprocessor, config.seed)
    others = read.inputs.split.parts["test"]
    packed = [pack(read, pairs) for pairs in (sample, others)]
    states = [list(frozen_states(read.pretrained, inputs)) for inputs in packed]
    tokens = np.concatenate(sum(states[0], []))
    _, _, directions = np.linalg.svd(tokens - tokens.mean(axis=0), full_matrices=False)

    def compare(a, b):
        a, b = ((side - tokens.mean(axis=0)) @ directions[:5].T for side in (a, b))
        a, b = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (a, b))
        cosines = a @ b.T
        return cosines.max(axis=1).mean(), cosines.max(axis=0).mean(), cosine(a.mean(axis=0), b.mean(axis=0))

    numbers = [np.array([compare(a, b) for a, b in zip(*sides, strict=True)]) for sides in states]
    expected = regression(numbers[0], sample.labels, numbers[1])
    np.testing.assert_allclose(model(packed[1]).numpy()[:, 1], expected, atol=1e-4)
    assert np.ptp(expected) > 0.01


def test_pair_maxsim_starts_as_the_frozen_encoder_compares_tokens_of_one_input(tiny):
    config = configured(tiny, "pair_maxsim", max_seq_length=40)
    read = read_run_inputs(config)
    model = started(config, read)
    model.comparison.kernel.assign(tf.zeros_like(model.comparison.kernel))  # what starts at random
    sample = start.draw_pairs(read.inputs, read.inputs.preprocessor, config.seed)
    others = read.inputs.split.parts["test"]
    packed = [pack(read, pairs) for pairs in (sample, others)]
    bert_config, states = read.pretrained.bert_config, []
    for x in packed:
        ids, mask, types = (x[name].numpy() for name in ENCODER_INPUTS)
        rows = bert(random_tf1_variables(bert_config), bert_config, ids, mask, types)[0][-1]
        pairs = [[row[m > t], row[t > 0]] for row, m, t in zip(rows, mask, types, strict=True)]
        states.append([list(side) for side in zip(*pairs, strict=True)])
    mean = np.concatenate(sum(states[0], [])).mean(axis=0)

    def compare(a, b):
        a, b = ((side - mean) / np.linalg.norm(side - mean, axis=1, keepdims=True) for side in (a, b))
        cosines = a @ b.T
        return cosines.max(axis=1).mean(), cosines.max(axis=0).mean(), cosine(a.mean(axis=0), b.mean(axis=0))

    numbers = [np.array([compare(a, b) for a, b in zip(*sides, strict=True)]) for sides in states]
    expected = regression(numbers[0], sample.labels, numbers[1])
    found = model({name: packed[1][name] for name in ENCODER_INPUTS}).numpy()[:, 1]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("tied", [False, True])
def test_vector_starts_as_the_frozen_cosine(tiny, tied):
    config = configured(tiny, "vector", tie_projections=tied)
    read = read_run_inputs(config)
    model = started(config, read)
    sample = start.draw_pairs(read.inputs, read.inputs.preprocessor, config.seed)
    others = read.inputs.split.parts["test"]
    packed = [pack(read, pairs) for pairs in (sample, others)]
    means = [[np.array([s.mean(axis=0) for s in side]) for side in frozen_states(read.pretrained, x)] for x in packed]
    both = np.concatenate(means[0])
    centred = [[(side - both.mean(axis=0)) / np.sqrt(both.var(axis=0) + 1e-3) for side in sides] for sides in means]
    cosines = [cosine(a, b)[:, None] for a, b in centred]
    expected = regression(cosines[0], sample.labels, cosines[1])
    np.testing.assert_allclose(model(packed[1]).numpy()[:, 1], expected, atol=1e-3)
    assert np.ptp(expected) > 0.01


@pytest.mark.parametrize("head", ["maxsim", "vector", "midfusion"])
def test_an_easy_task_needs_no_step(tiny, corpus, tmp_path, head):
    """B comes next if it repeats A. In the random BERT the token types would hide that, so they are made equal."""
    variables = random_tf1_variables(BertConfig(**tiny.config))
    variables["bert/embeddings/token_type_embeddings"][1] = variables["bert/embeddings/token_type_embeddings"][0]
    write_checkpoint(str(tmp_path / "model.ckpt-7"), variables)
    texts = list(dict.fromkeys(text[:15] for text in corpus.values()))  # so short that none is cut
    honbun = {f"{side}{number:03d}": text for number, text in enumerate(texts) for side in "ab"}
    ends = [
        (number, (number + 7 * (1 - label)) % len(texts), label) for number in range(len(texts)) for label in (0, 1)
    ]
    for name, content in (
        ("honbun", honbun),
        ("negaposi", [[f"a{a:03d}", f"b{b:03d}", label] for a, b, label in ends]),
    ):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    files = {name: str(tmp_path / name) for name in ("honbun", "negaposi")}
    files["init_checkpoint"] = str(tmp_path / "model.ckpt-7")
    config = dataclasses.replace(configured(tiny, head), **files)
    read = read_run_inputs(config)
    others = read.inputs.split.parts["test"]
    assert roc_auc_score(others.labels, started(config, read)(pack(read, others)).numpy()[:, 1]) > 0.9


def test_token_attention_starts_centred(tiny):
    config = configured(tiny, "dot")
    read = read_run_inputs(config)
    center = started(config, read).center
    sample = start.draw_pairs(read.inputs, read.inputs.preprocessor, config.seed)
    means = [states.mean(axis=0) for states in next(frozen_states(read.pretrained, pack(read, sample)))]
    np.testing.assert_allclose(center.moving_mean.numpy(), np.mean(means, axis=0), atol=1e-5)
    np.testing.assert_allclose(center.moving_variance.numpy(), np.var(means, axis=0), atol=1e-5)


def test_other_cross_encoders_start_at_random(tiny, monkeypatch):
    config = configured(tiny, "pair_means")
    read = read_run_inputs(config)
    monkeypatch.setattr(start, "encode_sample", lambda *_: pytest.fail("encodes for nothing"))
    started(config, read)


def test_the_sample_holds_labelled_training_pairs_only(tiny, pair_rows, tmp_path):
    (tmp_path / "negaposi.json").write_text(json.dumps([row for row in pair_rows if row[0][-1] in "012"]))
    config = configured(tiny, "vector", next_page_pairs="all", split="grouped", dev_share=0.2)
    read = read_run_inputs(dataclasses.replace(config, negaposi=str(tmp_path / "negaposi.json")))
    parts = read.inputs.split.parts
    labelled, train = ({(p.a, p.b, p.label) for p in pairs} for pairs in (read.inputs.data.pairs, parts["train"]))
    assert train - labelled  # self-labelled pairs
    drawn = [(p.a, p.b, p.label) for p in start.draw_pairs(read.inputs, read.inputs.preprocessor, 0)]
    assert set(drawn) == train & labelled and len(drawn) == len(set(drawn))
    held_out = {title for name in ("dev", "test") for pair in parts[name] for title in (pair.a, pair.b)}
    assert held_out and not held_out & {title for a, b, _ in drawn for title in (a, b)}


def test_the_sample_is_small_and_has_both_classes(tiny, monkeypatch):
    read = read_run_inputs(configured(tiny, "vector"))
    preprocessor, texts = read.inputs.preprocessor, read.inputs.data.texts

    def draw(seed):
        return [(p.a, p.b, p.label) for p in start.draw_pairs(read.inputs, preprocessor, seed)]

    assert draw(0) == draw(0) != draw(1)
    monkeypatch.setattr(start, "MOST_PAIRS", 30)
    thirty = draw(0)
    assert len(thirty) == 30
    lengths = [sum(min(len(preprocessor.tokenizer.encode([texts[t]])[0]) + 2, 20) for t in pair[:2]) for pair in thirty]
    monkeypatch.setattr(start, "MOST_TOKENS", sum(lengths[:10]))
    assert draw(0) == thirty[:10]
    monkeypatch.setattr(start, "MOST_TOKENS", 1)
    assert all({label for *_, label in draw(seed)} == {0, 1} and len(draw(seed)) == 2 for seed in range(5))


def optimizers():
    gc.collect()
    return sum(type(thing) is BertAdam for thing in gc.get_objects())


def test_only_a_new_run_starts_from_data_and_the_optimizer_is_freed(
    tiny, without_export, tmp_path, monkeypatch, capsys
):
    folder, before, kept = tmp_path / "run", optimizers(), []
    monkeypatch.setattr(memory, "give_back", lambda: kept.append(optimizers() - before))
    flags = tiny.flags | {"head": "maxsim", "max_seq_length": 20, "num_train_epochs": 0.3, "rank_queries": 0}
    assert main([f"--{name}={value}" for name, value in (flags | {"output_dir": folder}).items()]) == 0
    assert "the head starts from 180 training pairs" in capsys.readouterr().out
    scores = (folder / "scores_test.tsv").read_text()
    assert main(["--resume", f"--output_dir={folder}"]) == 0
    assert "the head starts" not in capsys.readouterr().out
    assert (folder / "scores_test.tsv").read_text() == scores
    assert len(kept) == 4 and not any(kept)  # after the training and after the export, of both commands


WEIGHTS = """
import json, sys
import numpy as np
import tensorflow as tf
from checkpoints_tools.common.streams import printed
from keras_negaposi.config import TrainConfig
from keras_negaposi.modeling.heads import build
from keras_negaposi.training.fit import build_for_training
from keras_negaposi.training.run_inputs import read_run_inputs
from keras_negaposi.training.start import start_from_data

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
config = TrainConfig(**json.loads(sys.argv[1]))
read = read_run_inputs(config)
found = []
for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
    tf.keras.utils.set_random_seed(config.seed)
    strategy = tf.distribute.MirroredStrategy(devices)
    made = build_for_training(config, read.pretrained, 10, lambda: build(config, read.pretrained.bert_config), strategy)
    with printed():
        start_from_data(made, config, read.pretrained, read.inputs, strategy)
    of_devices = [strategy.experimental_local_results(variable) for variable in made.variables]
    found.append([[copy.numpy() for copy in copies] for copies in of_devices])
for (one,), (first, second) in zip(*found, strict=True):
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, one)
"""


@pytest.mark.parametrize("head", ["maxsim", "vector"])
def test_two_devices_start_alike(tiny, head):
    options = tiny.flags | {"head": head, "max_seq_length": 20, "output_dir": "unused", "precision": "float32"}
    process = Python("-c", WEIGHTS, json.dumps(options))
    output, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]
    assert "training pairs as the frozen encoder sees them" in output


@pytest.mark.shared
@pytest.mark.slow
def test_a_real_encoder_is_useful_before_any_step(shared):
    """Of a real encoder's four lowest layers."""
    files = {
        "init_checkpoint": shared / "checkpoints/ja-e5-small-l4",
        "honbun": shared / "data/slides/honbun_data.json",
    }
    files |= {"negaposi": shared / "data/slides/negaposi.json", "bert_config_file": None}
    files = {name: path and str(path) for name, path in files.items()} | {"model_file": None, "vocab_file": None}
    options = {"head": "maxsim", "max_seq_length": 64, "split": "grouped", "output_dir": "unused"}
    config = TrainConfig(**complete_model_files(files), **options)
    read = read_run_inputs(config)
    model = started(config, read)
    dev = read.inputs.split.parts["dev"][:200]
    assert roc_auc_score(dev.labels, model(pack(read, dev)).numpy()[:, 1]) > 0.65
