"""The SavedModel in fresh processes, and the commands that use it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from keras_negaposi.evaluate import main as evaluate
from keras_negaposi.predict import main as predict
from keras_negaposi.serving.scorer import Scorer
from tests.helpers.runs import QUICK

LENGTH = QUICK["max_seq_length"]


@pytest.fixture(scope="module")
def finished(finished_run, tmp_path_factory):
    return finished_run(tmp_path_factory.mktemp("export") / "out", **QUICK)


@pytest.fixture(scope="module")
def scored(finished):
    """[a, b, label, probability, prediction] of the test pairs, scored by the model in memory after training."""
    lines = (finished / "scores_test.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


@pytest.fixture(scope="module")
def text_pairs(corpus, scored):
    return [(corpus[a], corpus[b]) for a, b, *_ in scored]


def fresh_process(code, *arguments):
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_text_signature_in_a_fresh_process(finished, scored, text_pairs):
    code = (
        "import json, sys; import tensorflow as tf, tensorflow_text\n"
        "a, b = zip(*json.loads(sys.argv[2]))\n"
        "signature = tf.saved_model.load(sys.argv[1]).signatures['serving_default']\n"
        "out = signature(text_a=tf.constant(a), text_b=tf.constant(b))\n"
        "print(json.dumps([out['probabilities'].numpy().tolist(), out['label'].numpy().tolist()]))"
    )
    output = fresh_process(code, str(finished / "saved_model"), json.dumps(text_pairs))
    probabilities, labels = json.loads(output.splitlines()[-1])
    np.testing.assert_allclose([p[1] for p in probabilities], [float(row[3]) for row in scored], atol=2e-6)
    np.testing.assert_allclose(np.sum(probabilities, axis=1), 1.0, atol=1e-6)
    assert labels == [int(row[4]) for row in scored]


def test_ids_signature_with_plain_saved_model_cli(finished, scored, text_pairs, tiny):
    """The command is TensorFlow's own, and its process does not import tensorflow_text."""
    import tensorflow as tf

    from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
    from keras_negaposi.input_pipeline.packing import JointPreprocessor
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

    tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])
    text_a, text_b = zip(*text_pairs, strict=True)
    packed = JointPreprocessor(tokenizer, LENGTH)(tf.constant(text_a[:3]), tf.constant(text_b[:3]))
    values = ";".join(f"{name}={packed[name].numpy().tolist()}" for name in ENCODER_INPUTS)
    command = [os.path.join(os.path.dirname(sys.executable), "saved_model_cli"), "run", "--tag_set", "serve"]
    command += ["--dir", str(finished / "saved_model"), "--signature_def", "ids", "--input_exprs", values]
    result = subprocess.run([*command, "--outdir", str(finished)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    probabilities = np.load(finished / "probabilities.npy")
    np.testing.assert_allclose(probabilities[:, 1], [float(row[3]) for row in scored[:3]], atol=2e-6)
    np.testing.assert_array_equal(np.load(finished / "label.npy"), [int(row[4]) for row in scored[:3]])


def test_padding_more_changes_no_score(finished, text_pairs, tiny):
    import tensorflow as tf
    import tensorflow_text  # noqa: F401

    from keras_negaposi.input_pipeline.feature_spec import ENCODER_INPUTS
    from keras_negaposi.input_pipeline.packing import JointPreprocessor
    from keras_negaposi.tokenizers.sentencepiece import Tokenizer

    tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])
    ids = tf.saved_model.load(str(finished / "saved_model")).signatures["ids"]
    text_a, text_b = zip(*text_pairs, strict=True)
    scores = []
    for length in (25, 40):
        packed = JointPreprocessor(tokenizer, length)(tf.constant(text_a), tf.constant(text_b))
        fits = ~packed["truncated"].numpy()
        scores.append((fits, ids(**{name: packed[name] for name in ENCODER_INPUTS})["probabilities"].numpy()))
    (fits, short), (_, long) = scores
    assert fits.any()
    np.testing.assert_allclose(short[fits], long[fits], atol=1e-6)


@pytest.mark.parametrize(
    ("form", "of"), [("tsv", "run"), ("tsv", "saved_model"), ("json objects", "run"), ("json lists", "saved_model")]
)
def test_predict_scores_files_in_order(finished, scored, text_pairs, tmp_path, form, of):
    lines = {
        "tsv": "".join(f"{a}\t{b}\n" for a, b in text_pairs),
        "json objects": "".join(json.dumps({"text_a": a, "text_b": b}) + "\n" for a, b in text_pairs),
        "json lists": "".join(json.dumps([a, b], ensure_ascii=False) + "\n" for a, b in text_pairs),
    }
    (tmp_path / "in").write_text(lines[form], encoding="utf-8")
    model = finished if of == "run" else finished / "saved_model"
    flags = ["--input", str(tmp_path / "in"), "--output", str(tmp_path / "out"), "--batch_size", "7"]
    assert predict([str(model), *flags]) == 0
    output = (tmp_path / "out").read_text().splitlines()
    if form == "tsv":
        rows = [(float(p), int(label)) for p, label in (line.split("\t") for line in output)]
    else:
        rows = [(row["probability"], row["label"]) for row in map(json.loads, output)]
    np.testing.assert_allclose([p for p, _ in rows], [float(row[3]) for row in scored], atol=3e-6)
    assert [label for _, label in rows] == [int(row[4]) for row in scored]
    assert not list(tmp_path.glob("*.tmp*"))


def test_predict_streams_from_stdin(finished, scored, text_pairs):
    """The scores of a batch are written before the input ends."""
    command = [sys.executable, "-m", "keras_negaposi.predict", str(finished), "--batch_size", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        first = []
        for batch in (text_pairs[:2], text_pairs[2:4]):
            process.stdin.write("".join(f"{a}\t{b}\r\n" for a, b in batch))
            process.stdin.flush()
            first += [process.stdout.readline() for _ in range(2)]
        process.stdin.write("\t".join(text_pairs[4]))  # No newline at the end.
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(timeout=60) == 0
    rows = [*first, *rest.splitlines()]
    np.testing.assert_allclose(
        [float(row.split("\t")[0]) for row in rows], [float(r[3]) for r in scored[:5]], atol=3e-6
    )


def test_pairs_are_scored_a_window_at_a_time_and_given_in_their_order(finished, scored, text_pairs):
    read = []
    stream = Scorer(str(finished)).stream((read.append(pair) or pair for pair in text_pairs), 4, 3)
    found = [next(stream)]
    assert len(read) == 12
    probabilities, labels = zip(*found, *stream, strict=True)
    np.testing.assert_allclose(probabilities, [float(row[3]) for row in scored], atol=2e-6)
    assert list(labels) == [int(row[4]) for row in scored]


def test_predict_of_nothing_is_nothing(finished, tmp_path):
    (tmp_path / "in").write_text("")
    assert predict([str(finished), "--input", str(tmp_path / "in"), "--output", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out").read_text() == ""


def test_evaluate_its_own_pairs_in_8_bits(finished, scored, tiny, tmp_path, capsys):
    assert evaluate([str(finished), "--precision", "int8"]) == 0
    ours = json.loads((finished / "evaluation_int8/metrics.json").read_text())
    theirs = json.loads((finished / "metrics.json").read_text())
    assert (ours["pairs"], ours["global_step"]) == (theirs["pairs"], theirs["global_step"])
    assert ours["pairs"] == len(scored)
    rows = [line.split("\t") for line in (finished / "evaluation_int8/scores_test.tsv").read_text().splitlines()[1:]]
    assert [row[:3] for row in rows] == [row[:3] for row in scored]
    np.testing.assert_allclose([float(row[3]) for row in rows], [float(row[3]) for row in scored], atol=0.02)
    moved = shutil.copytree(finished, tmp_path / "moved")
    config = json.loads((moved / "config.json").read_text())
    config["config"]["honbun"] = str(tmp_path / "honbun.json")
    (moved / "config.json").write_text(json.dumps(config))
    (tmp_path / "honbun.json").write_text('{"another": "text"}')
    assert evaluate([str(moved), "--precision", "int8"]) == 2
    assert "honbun.json: has changed since the run" in capsys.readouterr().err


def test_evaluate_on_another_pair_file(finished, scored, tiny, tmp_path):
    rows = [[a, b, label] for a, b, label, *_ in scored]
    (tmp_path / "other.json").write_text(json.dumps(rows))
    flags = ["--honbun", tiny.flags["honbun"], "--negaposi", str(tmp_path / "other.json")]
    assert evaluate([str(finished), *flags, "--eval_batch_size", "7"]) == 0
    ours = json.loads((finished / "evaluation_other/metrics.json").read_text())
    theirs = json.loads((finished / "metrics.json").read_text())
    for name in ("pairs", "eval_accuracy", "confusion", "global_step"):
        assert ours[name] == theirs[name]
    assert ours["eval_loss"] == pytest.approx(theirs["eval_loss"], abs=1e-6)
