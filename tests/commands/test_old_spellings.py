"""Flags that have been renamed: the old spelling still works and names the new one; old saved runs still load."""

import dataclasses
import json

import pytest

from checkpoints_tools.common.cli import add_flags, given_flags, make_parser
from checkpoints_tools.common.errors import InputError
from keras_negaposi.config import BaselineConfig, PrepareConfig, TrainConfig
from keras_negaposi.config.saved import check_found
from keras_negaposi.runtime.run_folder import saved_options
from tests.helpers.commands import COMMANDS

OLD = [
    (TrainConfig, "augment", "distill_pairs", "5", 5),
    (TrainConfig, "augment_next", "next_page_pairs", "6", 6),
    (TrainConfig, "augment_next", "next_page_pairs", "all", "all"),
    (TrainConfig, "vectors", "embedding_cache", "v.npz", "v.npz"),
    (PrepareConfig, "augment_next", "next_page_pairs", "7", 7),
    (BaselineConfig, "augment_next", "next_page_pairs", "8", 8),
    (BaselineConfig, "vectors", "embedding_cache", "v.npz", "v.npz"),
]


def parser_of(config_class):
    parser = make_parser("x", "")
    add_flags(parser, config_class)
    return parser


def test_every_old_spelling_is_tested():
    known = {(c, old, new) for c, old, new, *_ in OLD}
    for _, _, about in COMMANDS.values():
        for field in dataclasses.fields(about):
            assert not field.metadata["old"] or (about, field.metadata["old"], field.name) in known


@pytest.mark.parametrize("config_class, old, new, text, value", OLD)
@pytest.mark.parametrize("hyphens", [False, True])
def test_an_old_spelling_works_and_names_the_new_one(config_class, old, new, text, value, hyphens, capsys):
    flag = f"--{old.replace('_', '-') if hyphens else old}"
    found = given_flags(config_class, parser_of(config_class).parse_args([flag, text]))
    assert found == {new: value}
    assert capsys.readouterr().err == f"--{old} is now called --{new}\n"
    assert given_flags(config_class, parser_of(config_class).parse_args([f"--{new}={text}"])) == found
    assert not capsys.readouterr().err


def test_the_help_shows_new_spellings_only():
    text = parser_of(TrainConfig).format_help()
    assert "--distill_pairs" in text and "--augment" not in text and "--vectors" not in text


def write_run(folder, **values):
    (folder / "config.json").write_text(json.dumps({"config": values}))
    return str(folder)


def test_a_run_saved_with_old_names_loads(tmp_path):
    run = write_run(tmp_path, augment=3, augment_next=4, vectors=str(tmp_path / "v.npz"), learning_rate=0.5)
    config = saved_options(run)
    assert (config.distill_pairs, config.next_page_pairs, config.learning_rate) == (3, 4, 0.5)
    assert config.embedding_cache == str(tmp_path / "v.npz")


@pytest.mark.parametrize("value", ["all", 0, 12])
def test_a_run_saved_with_all_next_pages_loads(value, tmp_path):
    assert saved_options(write_run(tmp_path, next_page_pairs=value)).next_page_pairs == value


@pytest.mark.parametrize("value", ["some", -1, 1.5, None, True])
def test_a_run_saved_with_other_next_pages_is_damaged(value, tmp_path):
    with pytest.raises(InputError, match="next_page_pairs"):
        saved_options(write_run(tmp_path, next_page_pairs=value))


@pytest.mark.parametrize("name", ["honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file"])
def test_a_required_file_saved_as_null_is_named(name, tmp_path):
    values = dict.fromkeys(("honbun", "negaposi", "init_checkpoint", "model_file", "vocab_file"), str(tmp_path))
    run = write_run(tmp_path, **values | {name: None, "output_dir": None})
    with pytest.raises(InputError, match=rf"config.json: {name} is missing; restore the file"):
        check_found(saved_options(run), run)
