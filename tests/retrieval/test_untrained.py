"""An index without a run: lexical features, and the vectors of a BERT that nobody has trained on pairs."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from checkpoints_tools import load_encoder
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import IndexConfig
from keras_negaposi.data.adjacency import adjacency
from keras_negaposi.data.documents import Documents
from keras_negaposi.data.next_page_pairs import sample_next_pages
from keras_negaposi.data.texts import text_key
from keras_negaposi.index import main as index_main
from keras_negaposi.index_files.store import Store
from keras_negaposi.lexical.code_points import code_points
from keras_negaposi.lexical.features import GRAMS
from keras_negaposi.lexical.model import LexicalModel
from keras_negaposi.lexical.vocabulary import KINDS, PageFrequencies
from keras_negaposi.retrieval import Index, build_index, hybrid_ranker, self_labelled
from keras_negaposi.suggest import main as suggest_main
from keras_negaposi.tokenizers.sentencepiece import Tokenizer

PATTERN = r"^(.*),"
BERT = ("init_checkpoint", "bert_config_file", "model_file", "vocab_file")


def bert_flags(tiny):
    return {name: tiny.flags[name] for name in BERT} | {"max_seq_length": 20}


def write_pages(path, pages):
    path.write_text(json.dumps(pages, ensure_ascii=False), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def indexes(tiny, tmp_path_factory):
    """A lexical index, and one with the vectors of the tiny BERT."""
    folder = tmp_path_factory.mktemp("indexes")
    for name, more in (("lexical", {}), ("frozen", bert_flags(tiny))):
        build_index(None, IndexConfig(honbun=tiny.flags["honbun"], output=str(folder / name), dtype="float32", **more))
    return folder


def means(tiny, texts):
    """Means of the encoder's last hidden states, computed one text at a time by the public parts."""
    encoder = load_encoder(tiny.flags["bert_config_file"], tiny.flags["init_checkpoint"])
    tokenizer = Tokenizer(tiny.flags["model_file"], tiny.flags["vocab_file"])
    pieces = [line.split("\t")[0] for line in open(tiny.flags["vocab_file"], encoding="utf-8")]
    rows = []
    for ids in tokenizer.encode(list(texts)):
        row = np.array([[pieces.index("[CLS]"), *ids[:18], pieces.index("[SEP]")]], np.int32)
        inputs = {"input_word_ids": row, "input_mask": np.ones_like(row), "input_type_ids": np.zeros_like(row)}
        rows.append(np.mean(encoder(inputs)["sequence_output"][0], axis=0))
    return np.stack(rows)


def test_a_lexical_index_ranks_by_a_model_of_self_labelled_pages(indexes, corpus):
    pairs = sample_next_pages(corpus, adjacency(corpus, Documents(PATTERN)).pairs, Documents(PATTERN), set(), 3000)
    assert {pair.label for pair in pairs} == {0, 1} and len(pairs) > 100
    model = LexicalModel.fit(corpus, pairs)
    for title in ("doc03,002", "doc20,005"):
        logits = model.logits_of_texts([corpus[title]] * len(corpus), list(corpus.values()))
        found = Index(str(indexes / "lexical")).score(corpus[title], list(corpus))
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=1e-6)
        assert np.ptp(found) > 0.5


@pytest.mark.parametrize("name", ["lexical", "frozen"])
def test_suggestions_are_the_best_of_all_pages(indexes, corpus, monkeypatch, name):
    monkeypatch.setattr(hybrid_ranker, "CANDIDATES", 1000)
    index, title = Index(str(indexes / name)), "doc07,001"
    scores = dict(zip(corpus, index.score(corpus[title], list(corpus)), strict=True))
    found = index.suggest(corpus[title], 5, [title])
    best = sorted((score for other, score in scores.items() if other != title), reverse=True)
    assert [s.score for s in found] == pytest.approx(best[:5], abs=1e-6)
    assert all(corpus[s.title] == s.text and s.title != title for s in found)


@pytest.mark.parametrize("name", ["lexical", "frozen"])
def test_a_title_is_answered_without_the_packages_that_take_seconds_to_import(indexes, name):
    program = (
        "import sys\nfrom keras_negaposi.suggest import main\ncode = main(sys.argv[1:])\n"
        "sys.exit(' '.join({'tensorflow', 'tf_keras', 'sklearn', 'matplotlib', 'pandas'} & sys.modules.keys()) or code)"
    )
    command = [sys.executable, "-c", program, str(indexes / name), "--title", "doc03,002"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr
    assert len(done.stdout.splitlines()) == 10


def test_frozen_vectors_are_centred_means_and_are_combined(indexes, tiny, corpus):
    index, title = Index(str(indexes / "frozen")), "doc05,003"
    texts = list(dict.fromkeys(corpus.values()))
    expected = means(tiny, texts)
    np.testing.assert_allclose(index.origin.scorer.encode("b", texts)["vector"], expected, atol=1e-5)  # in float32
    expected -= expected.mean(axis=0)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    known = index.origin.vectors
    vectors = known.read(np.array([known.row(text_key(text)) for text in texts])).astype(np.float32)
    assert np.sum(vectors * expected, axis=1).min() > 0.999  # perhaps computed in bfloat16
    cosines = vectors @ vectors[texts.index(corpus[title])]
    fit, model = index.origin.lexical.fit, index.origin.lexical.model
    assert fit.cosine.weight > 0 and fit.pairs > 100
    density = np.sort(vectors @ vectors.T, axis=1)[:, -4:-1].mean(axis=1)  # of the nearest pages but the text itself
    together = density + density[texts.index(corpus[title])]
    assert fit.cosine.density != 0
    p = 1 / (1 + np.exp(-(fit.cosine.weight * cosines + fit.cosine.density * together + fit.cosine.bias)))
    logits = fit.hybrid.neural * np.log(p / (1 - p)) + fit.hybrid.bias
    logits += fit.hybrid.lexical * model.logits_of_texts([corpus[title]] * len(texts), texts)
    titles = [next(t for t, text in corpus.items() if text == wanted) for wanted in texts]
    np.testing.assert_allclose(index.score(corpus[title], titles), 1 / (1 + np.exp(-logits)), atol=1e-4)


def test_the_combination_is_fitted_where_the_lexical_model_was_not(indexes, tiny, corpus, monkeypatch):
    seen = {}
    original, fit = self_labelled._fit_combination, LexicalModel.fit
    monkeypatch.setattr(
        self_labelled, "_fit_combination", lambda *a: seen.update(held_out=a[1], vectors=a[3]) or original(*a)
    )
    monkeypatch.setattr(
        LexicalModel, "fit", lambda texts, pairs, *a: seen.update(fitted=pairs) or fit(texts, pairs, *a)
    )
    vectors = {text_key(text): np.ones(2, np.float32) for text in corpus.values()}
    self_labelled.fit_on_next_pages(corpus, PageFrequencies.of(corpus.values()), PATTERN, vectors)
    document = Documents(PATTERN)
    fitted, held_out = ({document(t) for p in seen[name] for t in (p.a, p.b)} for name in ("fitted", "held_out"))
    assert fitted and held_out and not fitted & held_out


def test_a_title_needs_no_bert(indexes, tiny, corpus, tmp_path, capsys):
    """The vector of a page is in the index; only another text has to be encoded."""
    flags = bert_flags(tiny)
    for name in BERT:
        flags[name] = shutil.copy(f"{flags[name]}.index" if name == "init_checkpoint" else flags[name], tmp_path)
    shutil.copy(f"{tiny.flags['init_checkpoint']}.data-00000-of-00001", tmp_path)
    flags["init_checkpoint"] = str(tmp_path / "model.ckpt-7")
    build_index(None, IndexConfig(honbun=tiny.flags["honbun"], output=str(tmp_path / "i"), dtype="float32", **flags))
    expected = Index(str(indexes / "frozen")).suggest("りんごを見る。", 3)
    assert Index(str(tmp_path / "i")).suggest("りんごを見る。", 3) == expected
    for file in tmp_path.glob("model.ckpt-7*"):
        file.unlink()
    capsys.readouterr()
    assert suggest_main([str(tmp_path / "i"), "--title", "doc00,000", "--top", "3"]) == 0
    output = capsys.readouterr()
    assert output.out.count("\n") == 3
    assert output.err.startswith("note: nothing was trained: pages are ranked by lexical features and the untrained")
    assert suggest_main([str(tmp_path / "i"), "--text", "りんごを見る。"]) == 2
    assert "model.ckpt-7" in capsys.readouterr().err


def test_vectors_of_another_bert_are_never_mixed(indexes, tiny, corpus, tmp_path):
    index = shutil.copytree(indexes / "frozen", tmp_path / "i")
    pages = write_pages(tmp_path / "p.json", corpus | {"新,000": "新しい本文。"})
    with pytest.raises(InputError, match="made with another BERT"):
        build_index(
            None,
            IndexConfig(honbun=pages, output=str(index), dtype="float32", **bert_flags(tiny) | {"max_seq_length": 19}),
        )
    with pytest.raises(InputError, match="made with another BERT .*now None"):
        build_index(None, IndexConfig(honbun=pages, output=str(index)))
    written = json.loads((index / "manifest.json").read_text())
    written["about"]["bert"]["max_seq_length"] = 19
    (index / "manifest.json").write_text(json.dumps(written))
    with pytest.raises(InputError, match="not the BERT that made the index"):
        Index(str(index)).suggest("新しい本文。", 3)


def test_an_update_counts_all_pages_again(tiny, corpus, tmp_path):
    pages, index = dict(corpus), str(tmp_path / "i")
    config = IndexConfig(honbun=write_pages(tmp_path / "p.json", pages), output=index)
    store = build_index(None, config)
    first = store.lexical
    assert build_index(None, config).lexical == first  # Nothing has changed.
    del pages["doc00,000"]
    pages |= {"新,000": "鍾乳洞を探検する。", "新,001": "鍾乳洞の続き。"}
    write_pages(tmp_path / "p.json", pages)
    store = build_index(None, config)
    assert store.lexical != first and sorted(os.listdir(index)) == [
        "lexical-000002",
        "manifest.json",
        "pages-000002.json",
    ]
    part = Index(index).origin.lexical
    expected = PageFrequencies.of(pages.values())
    assert part.model.frequencies.pages == len(pages)
    for kind, counts in expected.counts.items():
        np.testing.assert_array_equal(part.model.frequencies.counts[kind], counts)
    assert Index(index).suggest(pages["新,000"], 1, ["新,000"])[0].title == "新,001"
    with pytest.raises(InputError, match="no such page"):
        Index(index).text("doc00,000")


def test_vectors_can_be_added_later(tiny, indexes, corpus, tmp_path):
    index = shutil.copytree(indexes / "lexical", tmp_path / "i")
    config = IndexConfig(honbun=tiny.flags["honbun"], output=str(index), dtype="float32", **bert_flags(tiny))
    build_index(None, config)
    found, expected = (Index(str(path)).suggest(corpus["doc01,001"], 5) for path in (index, indexes / "frozen"))
    assert found == expected


@pytest.mark.slow
def test_a_killed_index_answers_as_before_and_continues(tiny, corpus, indexes, tmp_path):
    """Killed while the new lexical part is being written."""
    index = shutil.copytree(indexes / "frozen", tmp_path / "i")
    pages = corpus | {"新,000": "鍾乳洞を探検する。", "新,001": "鍾乳洞の続き。"}
    honbun = write_pages(tmp_path / "p.json", pages)
    code = (
        "import json, os, signal, sys\n"
        "from keras_negaposi.config import IndexConfig\n"
        "from keras_negaposi.retrieval import build\n"
        "original = build.LexicalPart.write\n"
        "def write(self, folder):\n"
        "    original(self, folder); os.kill(os.getpid(), signal.SIGKILL)\n"
        "build.LexicalPart.write = write\n"
        "build.build_index(None, IndexConfig(**json.loads(sys.argv[1])))\n"
    )
    options = bert_flags(tiny) | {"honbun": honbun, "output": str(index), "dtype": "float32"}
    killed = subprocess.run([sys.executable, "-c", code, json.dumps(options)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(Store(str(index)).keys()) == len(set(pages.values()))  # The new texts are encoded, but not used yet.
    expected = Index(str(indexes / "frozen")).suggest(corpus["doc01,001"], 5)
    assert Index(str(index)).suggest(corpus["doc01,001"], 5) == expected
    build_index(None, IndexConfig(**options))
    assert {"新,000", "新,001"} <= {s.title for s in Index(str(index)).suggest("鍾乳洞", 150)}
    assert sorted(name.split("-")[0] for name in os.listdir(index)) == [
        "lexical",
        "manifest.json",
        "pages",
        "segment",
        "segment",
    ]


def test_without_adjacent_pages_it_ranks_by_similarity(tiny, corpus, tmp_path, capsys):
    """No page number, so no next page: the score is the cosine or, with vectors, the fusion of both rankings."""
    pages = {f"ノート{row}": text for row, text in enumerate(corpus.values())}
    honbun = write_pages(tmp_path / "p.json", pages)
    build_index(None, IndexConfig(honbun=honbun, output=str(tmp_path / "lexical")))
    assert "too few adjacent pages to fit weights on" in capsys.readouterr().out
    texts = list(pages.values())
    found = Index(str(tmp_path / "lexical")).score(texts[0], list(pages))
    vectors = PageFrequencies.of(texts).tfidf(GRAMS, KINDS[GRAMS](code_points(texts))).toarray()
    np.testing.assert_allclose(found, vectors @ vectors[0], atol=1e-5)
    build_index(None, IndexConfig(honbun=honbun, output=str(tmp_path / "both"), **bert_flags(tiny)))
    ((_, (first, *rest)),) = Index(str(tmp_path / "both")).suggest_each([[texts[0]]], 3, [()])
    assert first.text == texts[0] and first.score == pytest.approx(1.0) and all(0 < s.score < 1 for s in rest)
    capsys.readouterr()
    assert suggest_main([str(tmp_path / "both"), "--title", "ノート0"]) == 0
    assert "the scores are no probabilities" in capsys.readouterr().err


def test_reciprocal_ranks_are_those_of_the_paper():
    fused = self_labelled.reciprocal_ranks([np.array([0.9, 0.1, 0.5]), np.array([3.0, 2.0, 1.0])])
    np.testing.assert_allclose(fused, np.array([1 / 61 + 1 / 61, 1 / 63 + 1 / 62, 1 / 62 + 1 / 63]) * 61 / 2)


@pytest.mark.parametrize("file", ["starts.npy", "texts.npy", "weights.npy", "model.npz", "fit.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_damage_is_named(indexes, tmp_path, file, damage):
    index = shutil.copytree(indexes / "lexical", tmp_path / "i")
    path = index / "lexical-000001" / file
    content = bytearray(path.read_bytes())
    if damage == "changed":
        content[-2] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content)
    with pytest.raises(InputError, match=rf"lexical-000001/{file}: .*build the index again"):
        Index(str(index))


def test_what_the_command_says(indexes, tiny, tmp_path, capsys, monkeypatch):
    def refused(arguments, *words):
        assert index_main(arguments) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and all(word in error for word in words), error

    honbun = ["--honbun", tiny.flags["honbun"]]
    output = ["--output", str(tmp_path / "i")]
    refused(output, "--honbun is missing")
    refused([*honbun, *output, "--precision", "int8"], "--precision: has an effect with a RUN only")
    refused([*honbun, *output, "--batch_size", "3"], "--batch_size: has no effect without a RUN or --init_checkpoint")
    refused(["run", "--run", "run", *output], "RUN and --run: give one of the two")
    refused(["run", *output, "--init_checkpoint", "b"], "--init_checkpoint: has no effect with a RUN")
    refused([*honbun, *output, "--init_checkpoint", str(tmp_path)], "--model_file is missing")
    assert not (tmp_path / "i").exists()
    assert (
        index_main([*honbun, *output, "--init_checkpoint", tiny.flags["init_checkpoint"], "--max_seq_length=20"]) == 0
    )
    page = tmp_path / "page.html"
    assert suggest_main([str(tmp_path / "i"), "--html", str(page), "--top", "3"]) == 0
    assert '"note":["ranked_by_bert",{"pairs":' in page.read_text(encoding="utf-8")
    capsys.readouterr()
    assert suggest_main([str(tmp_path / "i"), "--title", "doc00,000", "--run", "x"]) == 2
    assert "--run x: has no effect" in capsys.readouterr().err
    assert suggest_main([str(tmp_path / "i"), "--title", "doc00,000", "--skip_linked"]) == 2
    assert "--skip_linked: the index was made without labelled pairs" in capsys.readouterr().err
    assert suggest_main([str(indexes / "lexical"), "--title", "doc00,000", "--approximate"]) == 2
    assert "--approximate: this index has no vectors" in capsys.readouterr().err
    assert suggest_main([str(tmp_path / "i"), "--title", "doc00,000", "--format", "markdown", "--fail_on_warning"]) == 0


def test_property_no_query_fails(indexes):
    index = Index(str(indexes / "lexical"))
    for text in ("", " ", "\0", "𠮷", "a" * 5000, "\u3000\n"):
        found = index.suggest(text, 3)
        assert all(np.isfinite(s.score) for s in found)
