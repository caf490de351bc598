"""The package's sample: its pairs, its pre-training, and a newcomer's first run."""

import dataclasses
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from checkpoints_tools import InputError
from checkpoints_tools.common import native_log
from keras_negaposi import train
from keras_negaposi.config import TrainConfig
from keras_negaposi.evaluation.leakage_audit import near_duplicates
from keras_negaposi.sample import FOLDER
from keras_negaposi.sample.corpus import DECKS_A_SHELF, make_decks, make_pairs, read_phrases

ROOT = Path(__file__).parents[2]
MOST_BYTES = 5 * 2**20


@pytest.fixture(scope="module")
def decks():
    return make_decks(5, seed=3)


def test_cue_and_answers_share_no_words():
    """Two adjacent characters that are not both hiragana count as a word."""
    for topic, aspects in read_phrases().items():
        for name, aspect in aspects.items():
            answers = " ".join(aspect["answers"])
            for cue in aspect["cues"]:
                shared = [cue[i : i + 2] for i in range(len(cue) - 1) if cue[i : i + 2] in answers]
                assert all(re.fullmatch(r"[ぁ-ん]{2}", letters) for letters in shared), (topic, name, cue, shared)


def test_every_phrase_belongs_to_one_aspect():
    phrases = [
        phrase
        for aspects in read_phrases().values()
        for aspect in aspects.values()
        for phrase in sum(aspect.values(), [])
    ]
    assert max(Counter(phrases).values()) == 1


def test_neither_side_of_a_pair_reveals_its_label(decks):
    pairs = make_pairs(decks, seed=4)
    assert sum(pair.label for pair in pairs) * 2 == len(pairs)
    for side in ("a", "b"):
        assert max(Counter(getattr(pair, side) for pair in pairs).values()) == 1


def test_labels_agree_with_the_decks(decks):
    slides = {slide.title: (number, slide) for number, deck in enumerate(decks) for slide in deck.slides}
    for pair in make_pairs(decks, seed=4):
        (deck_a, a), (deck_b, b) = slides[pair.a], slides[pair.b]
        assert deck_a // DECKS_A_SHELF == deck_b // DECKS_A_SHELF
        same_topic = decks[deck_a].topic == decks[deck_b].topic
        if pair.label:
            assert (deck_b, b.place) == (deck_a, a.place + 1)
        else:
            assert deck_a != deck_b
            assert not (same_topic and b.place == a.place + 1)


def test_decks_are_seeded_and_no_text_comes_twice(decks):
    assert make_decks(5, seed=3) == decks != make_decks(5, seed=2)
    texts = [slide.text for deck in decks for slide in deck.slides]
    assert len(set(texts)) == len(texts)
    others = make_decks(5, seed=2, taken=frozenset(texts))
    assert not {slide.text for deck in others for slide in deck.slides} & set(texts)


def test_the_phrase_book_is_finite():
    with pytest.raises(InputError, match="no more slides on .*; make fewer shelves"):
        make_decks(1000, seed=0)


def test_pieces_of_adjacent_slides_have_similar_vectors():
    from keras_negaposi.sample.pretrain import word_vectors

    rng = random.Random(0)
    groups = [range(3, 13), range(13, 23), range(23, 33)]  # 0 to 2 occur nowhere
    neighbours = [(rng.sample(group, 4), rng.sample(group, 3)) for group in groups for _ in range(40)]
    vectors = word_vectors(neighbours, vocab_size=33, width=7, scale=0.5)
    assert vectors.shape == (33, 7) and vectors.dtype == np.float32
    assert vectors[3:].std() == pytest.approx(0.5, abs=0.1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    for group in groups:
        others = [number for number in range(3, 33) if number not in group]
        assert cosine[np.ix_(group, group)].mean() > cosine[np.ix_(group, others)].mean() + 0.5


def test_masking_follows_the_paper():
    from keras_negaposi.sample.pretrain import PREDICTIONS, mask_pieces

    rng = np.random.default_rng(0)
    shape, mask_id, vocab_size = (2000, 23), 5, 97
    ids = rng.integers(6, vocab_size, shape).astype(np.int32)
    maskable = rng.random(shape) < 0.8
    maskable[:3] = False
    begins = rng.random(shape) < 0.2
    masked, positions, targets, weights = mask_pieces(ids, maskable, begins, mask_id, vocab_size, rng)
    assert positions.shape == targets.shape == weights.shape == (2000, PREDICTIONS)
    np.testing.assert_array_equal(targets, np.take_along_axis(ids, positions, axis=1))
    drawn = np.zeros(shape, bool)
    np.put_along_axis(drawn, positions, weights > 0, axis=1)
    assert not drawn[~maskable].any() and not weights[:3].any()
    np.testing.assert_array_equal(masked[~drawn], ids[~drawn])
    assert drawn.sum() / maskable.sum() == pytest.approx(0.15, abs=0.02)
    assert (masked[drawn] == mask_id).mean() == pytest.approx(0.8, abs=0.02)
    assert (masked[drawn] == ids[drawn]).mean() == pytest.approx(0.1, abs=0.02)
    # In half of the rows, adjacent pieces are selected together unless a word begins between them.
    both = drawn[3:, 1:] & drawn[3:, :-1]
    within, across = (both[where].mean() for where in (~begins[3:, 1:], begins[3:, 1:]))
    assert within > 2 * across


def test_the_sample_is_small_and_the_script_makes_its_pairs_again():
    from keras_negaposi.sample.make import MakeConfig, make_corpus

    assert sum(path.stat().st_size for path in FOLDER.parent.rglob("*") if path.is_file()) < MOST_BYTES
    corpus = make_corpus(MakeConfig())
    rows = [[pair.a, pair.b, pair.label] for pair in corpus.pairs]
    assert json.loads((FOLDER / "negaposi.json").read_text(encoding="utf-8")) == rows
    assert json.loads((FOLDER / "honbun_data.json").read_text(encoding="utf-8")) == corpus.texts
    assert not set(corpus.texts.values()) & set(corpus.pretrain_texts.values())


def test_varied_slides_are_no_near_duplicates():
    decks = make_decks(12, seed=0, varied=True)
    first, second = ([slide.text for deck in half for slide in deck.slides] for half in (decks[:72], decks[72:]))
    assert not near_duplicates(first, second)
    plain = make_decks(30, seed=0)
    first, second = ([slide.text for deck in half for slide in deck.slides] for half in (plain[:180], plain[180:]))
    assert near_duplicates(first, second)


@pytest.mark.slow
def test_the_script_overwrites_nothing(tmp_path, capsys):
    from keras_negaposi.sample.make import main

    (tmp_path / "honbun_data.json").write_text("mine")
    assert main([f"--output_dir={tmp_path}"]) == 2
    assert f'--output_dir "{tmp_path}": the folder contains "honbun_data.json"; give' in capsys.readouterr().err
    assert (tmp_path / "honbun_data.json").read_text() == "mine"


def test_the_script_makes_a_bert_that_loads(tmp_path):
    from checkpoints_tools import load_encoder
    from keras_negaposi.sample.make import main

    flags = ["--shelves=4", "--pretrain_shelves=4", "--pieces=800", "--steps=20", "--batch_size=16"]
    assert main([*flags, f"--output_dir={tmp_path}"]) == 0
    encoder = load_encoder(str(tmp_path / "bert_config.json"), str(tmp_path))
    assert encoder.get_config()["hidden_size"] == 128
    pieces = [line.split("\t")[0] for line in (tmp_path / "sample.vocab").read_text(encoding="utf-8").splitlines()]
    assert pieces[:7] == ["<unk>", "<s>", "</s>", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]  # bert-japanese's order


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """A newcomer's first command, in a folder of its own, with what it printed."""
    folder, started = tmp_path_factory.mktemp("first"), time.perf_counter()
    result = called(folder, sys.executable, "-m", "keras_negaposi.train")
    assert result.returncode == 0, result.stderr
    (run,) = (folder / "runs").iterdir()
    return SimpleNamespace(
        folder=folder, run=run, out=result.stdout, err=result.stderr, seconds=time.perf_counter() - started
    )


def called(folder, *command):
    """A command as a user would call it: in an activated environment, and without a log level of this process."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {name: value for name, value in os.environ.items() if name != native_log.LEVEL}
    environment |= {"PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=environment)


@pytest.mark.slow
def test_train_without_arguments_uses_the_sample(first_run):
    model = json.loads((first_run.run / "metrics.json").read_text())
    assert json.loads((first_run.run / "config.json").read_text())["config"]["split"] == "grouped"
    # The difference must exceed two standard errors at these sizes.
    margin = 2 * np.sqrt(2 * 0.25 / model["pairs"])
    for name, found in model["baselines"].items():
        assert model["eval_accuracy"] > found["accuracy"]["value"] + margin, name
    assert model["warnings"] == [] and "; no warnings" in first_run.out
    for path in ("report.html", "tensorboard", "saved_model"):
        assert str(first_run.run.relative_to(first_run.folder) / path) in first_run.out
    assert "still at chance" not in first_run.out
    assert first_run.seconds < 180


NATIVE = re.compile(r"^\d{4}-\d\d-\d\d \d|^[IWEF]\d{4} |absl::|cuInit|MLIR|XLA!|\.(cc|h):\d", re.MULTILINE)
"""A line that TensorFlow's libraries print."""


@pytest.mark.slow
def test_the_terminal_has_only_our_own_lines(first_run):
    assert first_run.err == "" and not NATIVE.search(first_run.out)


@pytest.mark.slow
def test_the_printed_next_command_runs_and_gives_the_printed_score(first_run):
    (line,) = [line for line in first_run.out.splitlines() if line.startswith("next ")]
    command = line.removeprefix("next").strip()
    score, label = re.search(r"  # (0\.\d\d|1\.00) \(label (1)\)$", command).groups()
    result = called(first_run.folder, "bash", "-c", command)
    assert (result.returncode, result.stderr) == (0, "")
    probability, predicted = result.stdout.split()
    assert (f"{float(probability):.2f}", predicted) == (score, label)


@pytest.mark.slow
def test_links_without_a_run_print_only_our_own_lines(tmp_path):
    texts = json.loads((FOLDER / "honbun_data.json").read_text(encoding="utf-8"))
    (tmp_path / "pages.json").write_text(json.dumps(dict(list(texts.items())[:210])), encoding="utf-8")
    pages = ["--honbun=pages.json", f"--init_checkpoint={FOLDER}", "--output=index"]
    build = called(tmp_path, sys.executable, "-m", "keras_negaposi", "index", *pages)
    assert (build.returncode, build.stderr) == (0, "") and not NATIVE.search(build.stdout)
    suggest = called(tmp_path, sys.executable, "-m", "keras_negaposi", "suggest", "index", "--text=写真の話")
    assert suggest.returncode == 0 and len(suggest.stdout.splitlines()) == 10
    assert suggest.stderr.startswith("note: nothing was trained") and suggest.stderr.count("\n") == 1
    assert not NATIVE.search(suggest.stdout + suggest.stderr)


@pytest.mark.slow
def test_the_run_can_be_repeated_from_its_config_file(first_run):
    parser = train.make_parser("x", "")
    train.add_options(parser, TrainConfig)
    new = str(first_run.folder / "new")
    config = train.configure(parser.parse_args([f"--config={first_run.run / 'config.json'}", f"--output_dir={new}"]))
    saved = json.loads((first_run.run / "config.json").read_text())["config"]
    assert dataclasses.asdict(config) == saved | {"output_dir": new}
