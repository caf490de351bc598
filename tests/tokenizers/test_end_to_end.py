"""Every kind of tokenizer, from the files next to a checkpoint to suggestions, with one tiny training each."""

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.formats.tf1 import write_checkpoint
from checkpoints_tools.saved_model import load_saved_model
from keras_negaposi import evaluate, index, predict, suggest, train
from keras_negaposi.runtime.saved_run import saved_options
from keras_negaposi.serving.by_ids import in_float32, score_by_ids
from keras_negaposi.serving.scorer import Scorer
from keras_negaposi.tokenizers.opening import open_tokenizer
from keras_negaposi.training import run as training_run
from tests.helpers.tiny_bert import TINY, random_tf1_variables
from tests.helpers.tokenizers import CHECKPOINTS

pytestmark = pytest.mark.slow
PREFIXED = ("wordpiece", "mecab_wordpiece")
PAIRS = [("りんごを買う。", "りんごを洗う。"), ("会議で話す。", "Python ÉCOLE 𠮷"), ("", "山に行く。")]


@pytest.fixture(scope="module", params=CHECKPOINTS)
def trained(request, tiny, corpus, tmp_path_factory):
    """A run on a random BERT that has this kind of tokenizer next to it."""
    folder = tmp_path_factory.mktemp(request.param)
    size = CHECKPOINTS[request.param](folder, corpus, tiny)
    values = TINY | {"vocab_size": size}
    (folder / "bert_config.json").write_text(json.dumps(values))
    write_checkpoint(str(folder / "model.ckpt-7"), random_tf1_variables(BertConfig(**values)))
    flags = [f"--{name}={tiny.flags[name]}" for name in ("honbun", "negaposi")]
    flags += [f"--init_checkpoint={folder}", f"--output_dir={folder}/run", "--head=vector", "--recipe=none"]
    flags += ["--max_seq_length=24", "--max_steps=2", "--train_batch_size=8", "--dev_share=0.2", "--split=grouped"]
    flags += ["--rank_queries=0", "--next_page_pairs=0", "--eval_steps=0"]
    if request.param in PREFIXED:
        flags += ["--prefix_a=会議 ", "--prefix_b=りんご "]
    with pytest.MonkeyPatch.context() as patched:  # the last test below evaluates the run
        patched.setattr(training_run, "evaluate_finished_run", lambda path: None)
        assert train.main(flags) == 0
    run = str(folder / "run")
    return SimpleNamespace(kind=request.param, folder=folder, run=run, scorer=Scorer(run))


def test_the_kind_is_stored(trained):
    config = saved_options(trained.run)
    assert config.tokenizer == trained.kind
    assert config.do_lower_case == (trained.kind in ("sentencepiece", "wordpiece"))


def test_predict_also_in_int8(trained, tmp_path, capsys):
    (tmp_path / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in PAIRS if a), encoding="utf-8")
    scores = {}
    for precision in ("float32", "int8") if trained.kind in ("xlmr", "mecab_wordpiece") else ("float32",):
        output = tmp_path / precision
        flags = [f"--input={tmp_path}/pairs.tsv", f"--output={output}", f"--precision={precision}"]
        assert predict.main([trained.run, *flags]) == 0
        scores[precision] = [float(line.split("\t")[0]) for line in output.read_text().splitlines()]
    np.testing.assert_allclose(scores.get("int8", scores["float32"]), scores["float32"], atol=0.05)
    expected, _ = trained.scorer.score(*zip(*(pair for pair in PAIRS if pair[0]), strict=True))
    np.testing.assert_allclose(scores["float32"], expected, atol=1e-5)


def test_predict_agrees_with_the_runs_own_scores(trained, tiny):
    """Of records, where prefixes and special ids were added, and of texts."""
    texts = json.loads(Path(tiny.flags["honbun"]).read_text(encoding="utf-8"))
    with open(f"{trained.run}/scores_test.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    a, b = ([texts[row[name]] for row in rows] for name in ("a", "b"))
    found, _ = trained.scorer.score(a, b)
    np.testing.assert_allclose(found, [float(row["probability"]) for row in rows], atol=1e-5)


def test_the_exported_texts_equal_the_path_by_ids(trained):
    loaded = load_saved_model(f"{trained.run}/saved_model")
    a, b = (tf.constant(side) for side in zip(*PAIRS, strict=True))
    by_ids = score_by_ids(trained.run, in_float32(loaded.signatures["ids"]))(a, b)
    texts = {name for name in loaded.signatures if name in ("serving_default", "encode_a", "encode_b")}
    if not trained.kind.startswith("mecab"):
        exported = loaded.signatures["serving_default"](text_a=a, text_b=b)
        np.testing.assert_allclose(exported["probabilities"], by_ids["probabilities"], atol=1e-6)
        assert len(texts) == 3
    else:
        assert not texts
    scored, _ = trained.scorer.score(*zip(*PAIRS, strict=True))
    np.testing.assert_allclose(scored, by_ids["probabilities"][:, 1], atol=1e-6)


def test_index_and_suggest(trained, tmp_path, capsys):
    assert index.main([trained.run, f"--output={tmp_path}/index"]) == 0
    assert f"tokenizer: {trained.kind} (" in capsys.readouterr().out
    assert index.main([trained.run, f"--output={tmp_path}/index"]) == 0
    assert ", 0 of them to encode" in capsys.readouterr().out
    assert suggest.main([f"{tmp_path}/index", "--text=りんごを買う。", "--top=3", "--format=json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_an_index_without_a_run(trained, tiny, tmp_path, capsys):
    flags = [f"--honbun={tiny.flags['honbun']}", f"--init_checkpoint={trained.folder}", "--max_seq_length=24"]
    assert index.main([*flags, f"--output={tmp_path}/index"]) == 0
    assert suggest.main([f"{tmp_path}/index", "--text=りんごを買う。", "--top=3"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 3


def test_the_run_is_a_checkpoint_itself(trained, corpus):
    """Also with the lower-casing and the options that only its tokenizer_config.json tells."""
    from keras_negaposi.config import ModelFiles, complete_model_files

    named = ("tokenizer", "model_file", "vocab_file", "tokenizer_config_file", "do_lower_case")
    before, after = (
        open_tokenizer(ModelFiles(**{name: values.get(name) for name in named}))
        for values in (complete_model_files({"init_checkpoint": path}) for path in (str(trained.folder), trained.run))
    )
    texts = [*corpus.values(), *(text for pair in PAIRS for text in pair)]
    assert type(before) is type(after) and before.digest == after.digest
    assert before.encode(texts) == after.encode(texts)
    assert any(before.vocabulary.get("[UNK]", before.vocabulary.get("<unk>")) in ids for ids in before.encode(texts))


def test_a_run_that_lost_its_tokenizers_files_uses_its_copies(trained, tmp_path):
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained.run, moved)
    config = json.loads((moved / "config.json").read_text())
    for name in ("model_file", "vocab_file", "tokenizer_config_file"):
        config["config"][name] = config["config"][name] and f"/gone/{name}"
    (moved / "config.json").write_text(json.dumps(config))
    a, b = zip(*PAIRS, strict=True)
    np.testing.assert_array_equal(Scorer(str(moved)).score(a, b)[0], trained.scorer.score(a, b)[0])
    assert evaluate.main([str(moved)]) == 0
    assert 0 < json.loads((moved / "metrics.json").read_text())["eval_accuracy"] <= 1
