"""No leak into hybrid scoring, seen from the command: test labels change nothing, and training pairs fit nothing."""

import json
import random

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.common.tables import read_rows
from keras_negaposi.data.splits import read_split
from keras_negaposi.input_pipeline import dev_part
from keras_negaposi.input_pipeline.packing import make_preprocessor
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.calibration import saved_calibration
from keras_negaposi.serving.hybrid import fit_hybrid
from keras_negaposi.tokenizers.sentencepiece import Tokenizer
from keras_negaposi.train import main
from keras_negaposi.training import run as training_run

RUN = {"split": "grouped", "dev_share": 0.3, "max_seq_length": 24, "train_batch_size": 16, "precision": "float32"}
RUN |= {
    "head": "pair_means",
    "num_train_epochs": 20,
    "learning_rate": 0.002,
    "length_buckets": 1,
    "rank_queries": 0,
    "keep_best": "last",
}


def trained(flags, folder):
    """A run that is not evaluated: the tests read its scores."""
    values = flags | RUN | {"output_dir": str(folder)}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training_run, "evaluate_finished_run", lambda path: None)
        assert main([f"--{name}={value}" for name, value in values.items()]) == 0
    return RunFolder(str(folder))


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    """Flags and texts of pairs that lexical features tell apart, but for label noise, and that a model can memorise.

    Texts are random characters. B begins with A's end, or shares nothing with A; for one pair in five, the label says
    the opposite. Every document has one pair, so what a tiny BERT learns by heart helps with no other pair.
    """
    rng = random.Random(0)
    letters = sorted(set("".join(json.loads(open(tiny.flags["honbun"], encoding="utf-8").read()).values())) - set("。"))
    texts, rows = {}, []
    for number in range(200):
        a, other = ("".join(rng.choices(letters, k=6)) for _ in range(2))
        overlap = number % 2
        texts[f"d{number},a"], texts[f"d{number},b"] = a, a[2:] + other[:2] if overlap else other
        rows.append([f"d{number},a", f"d{number},b", overlap if rng.random() < 0.8 else 1 - overlap])
    folder = tmp_path_factory.mktemp("data")
    no_dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    files = {"honbun": texts, "negaposi": rows, "bert_config_file": tiny.config | no_dropout}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return tiny.flags | {name: str(folder / name) for name in files}, texts


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return trained(data[0], tmp_path_factory.mktemp("leaks") / "run")


def rows_in(path):
    """Rows of a, b, label, probability, prediction."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(read_rows(file.read()))[1:]


def probabilities_in(path):
    return np.array([float(row[3]) for row in rows_in(path)])


def accuracy_in(path):
    return np.mean([row[2] == row[4] for row in rows_in(path)])


def labels_of(pairs):
    return np.array([pair.label for pair in pairs])


def neural_probabilities(run, text_a, text_b):
    """The model's own calibrated probabilities, from the signature that sees no characters."""
    options = saved_options(run.path)
    tokenizer = Tokenizer(**run.tokenizer_files("sentencepiece"))
    preprocessor = make_preprocessor(options, tokenizer, options.layout)
    packed = preprocessor(tf.constant(text_a), tf.constant(text_b))
    signature = tf.saved_model.load(run.saved_model).signatures["ids"]
    return signature(**{name: packed[name] for name in preprocessor.layout.inputs})["probabilities"][:, 1].numpy()


def test_a_model_that_knows_its_training_pairs_by_heart_gets_little_weight(run, data):
    """Fitted on those pairs instead of the dev pairs, the combination would trust the model, and fail in the test."""
    _, texts = data
    split, lexical, hybrid = read_split(run.split), LexicalModel.load(run.lexical_model), saved_calibration(run).hybrid
    train, test = split["train"], split["test"]
    known = neural_probabilities(run, [texts[pair.a] for pair in train], [texts[pair.b] for pair in train])
    logits = lexical.logits(texts, train)
    labels = labels_of(train)
    assert ((known > 0.5) == labels).mean() > 0.9 > ((logits > 0) == labels).mean()  # the leak is there to be seen

    leaked = fit_hybrid(labels, known, logits)
    assert abs(hybrid.neural) < 0.25 * leaked.neural
    combined_as_leaked = leaked.combine(probabilities_in(run.neural_scores("test")), lexical.logits(texts, test))
    right, right_with_leak = (
        ((probabilities > 0.5) == labels_of(test)).mean()
        for probabilities in (probabilities_in(run.scores("test")), combined_as_leaked)
    )
    assert right > right_with_leak + 0.1


def test_test_labels_change_neither_the_weights_nor_the_lexical_model(run, data, without_export, tmp_path, monkeypatch):
    """A split depends on all labels, so the second run gets that of the first one, with the test labels exchanged."""
    split = dev_part.split_pairs

    def exchanged(*arguments, **options):
        found = split(*arguments, **options)
        found.parts["test"].rows[:, 2] ^= 1
        return found

    monkeypatch.setattr(dev_part, "split_pairs", exchanged)
    other = trained(data[0], tmp_path / "run")
    before, after = read_split(run.split), read_split(other.split)
    assert after["train"] == before["train"] and after["dev"] == before["dev"]
    assert (labels_of(after["test"]) == 1 - labels_of(before["test"])).all()
    assert saved_calibration(run).hybrid
    for name in ("calibration", "lexical_model"):
        assert open(getattr(run, name), "rb").read() == open(getattr(other, name), "rb").read(), name
    assert (probabilities_in(run.scores("test")) == probabilities_in(other.scores("test"))).all()
    accuracies = [accuracy_in(each.scores("test")) for each in (run, other)]
    assert sum(accuracies) == pytest.approx(1) and accuracies[0] != accuracies[1]
