"""Recipes: what they choose for each kind of checkpoint and data, that flags win, and that no label is read."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.cli import add_flags, make_parser
from checkpoints_tools.formats.tf1 import write_checkpoint
from keras_negaposi import train
from keras_negaposi.config import TrainConfig
from keras_negaposi.config.heads import HEADS, is_cacheable
from keras_negaposi.config.recipes import BEST, CHOSEN, NONE, ORIGINAL, QUICK, RECIPES, Facts, choose, default_recipe
from keras_negaposi.training.recipe import read_facts
from tests.helpers.tiny_bert import random_tf1_variables

FACTS = Facts(
    trained_pooler=False, layers=12, positions=512, pairs=6_000, adjacent=20_000, pieces=140, takes_partner=True
)
FEW = dataclasses.replace(FACTS, pairs=400, adjacent=0, pieces=20)
POOLER = dataclasses.replace(FACTS, trained_pooler=True, positions=128)


def chosen(recipe, facts, head=None):
    return {choice.option: choice.value for choice in choose(recipe, facts, head)}


def test_a_checkpoint_with_a_trained_pooler_keeps_the_originals_cross_encoder():
    for recipe in (QUICK, BEST):
        assert chosen(recipe, POOLER)["head"] == "pair"
        assert chosen(recipe, POOLER)["max_seq_length"] == 128  # the encoder has no more positions


def test_a_checkpoint_without_one_gets_a_head_that_needs_none():
    assert chosen(QUICK, FACTS)["head"] == "vector"
    assert chosen(BEST, FACTS)["head"] == "vector"
    assert chosen(QUICK, FEW)["max_seq_length"] == 32


@pytest.mark.parametrize("recipe", [QUICK, BEST])
def test_settings_follow_a_given_head(recipe):
    by_token, like_pair = chosen(recipe, FACTS, "dot"), chosen(recipe, POOLER)
    assert by_token["learning_rate"] == 3e-5 and by_token["frozen_layers"] == 8
    assert chosen(recipe, FACTS, "maxsim") == by_token
    partner = {"partner_head": "pair"} if recipe == BEST else {}
    assert chosen(recipe, POOLER, "dot") == {**by_token, "head": "pair", **partner}
    assert chosen(recipe, POOLER, "pair") == like_pair
    joint = chosen(recipe, FACTS, "pair_means")
    assert joint["max_seq_length"] == {QUICK: 160, BEST: 256}[recipe] > by_token["max_seq_length"]
    assert joint["learning_rate"] == 1e-4
    assert "learning_rate" not in like_pair  # a trained pooler keeps the original's


@pytest.mark.parametrize("recipe", [QUICK, BEST])
def test_a_bi_encoder_is_fine_tuned_only_if_it_was_pre_trained_for_something_else(recipe):
    for choices in (chosen(recipe, FACTS), chosen(recipe, FACTS, "vector")):
        assert (choices["num_train_epochs"], choices["reference_pages"]) == (0.0, "all")
        assert "learning_rate" not in choices
    assert chosen(recipe, POOLER, "vector")["num_train_epochs"] > 0


def test_few_pairs_are_passed_more_often_and_steps_stay_limited():
    assert chosen(QUICK, FACTS, "dot")["num_train_epochs"] == 1.0
    assert chosen(QUICK, FEW, "dot")["num_train_epochs"] == 5.0
    assert chosen(QUICK, FEW, "dot")["max_steps"] == chosen(QUICK, FACTS, "dot")["max_steps"]


def test_pairs_are_made_only_where_there_are_pages_to_make_them_from():
    assert chosen(BEST, FACTS, "pair_means")["next_page_pairs"] > 0
    assert "next_page_pairs" not in chosen(BEST, FEW, "pair_means")


def test_a_bi_encoder_with_enough_pairs_gets_a_cross_encoder_as_its_partner():
    assert chosen(BEST, FACTS)["partner_head"] == "pair_means"
    assert chosen(BEST, POOLER, "vector")["partner_head"] == "pair"
    alone = dataclasses.replace(FACTS, takes_partner=False)
    for choices in (chosen(QUICK, FACTS), chosen(BEST, FEW), chosen(BEST, POOLER), chosen(BEST, alone)):
        assert "partner_head" not in choices


def test_original_is_what_run_classifier_does():
    values = chosen(ORIGINAL, POOLER)
    assert (values["head"], values["truncate_a"], values["hybrid"], values["dev_share"]) == ("pair", "end", False, 0.0)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("facts", [FACTS, FEW, POOLER])
def test_every_choice_is_an_option_with_a_reason(recipe, facts):
    choices = choose(recipe, facts)
    TrainConfig(**{choice.option: choice.value for choice in choices})
    assert all(choice.reason for choice in choices)
    if recipe != ORIGINAL:
        assert {choice.option for choice in choices} <= CHOSEN | {"eval_steps", "partner_head", "reference_pages"}


def test_flags_that_a_recipe_would_choose_switch_it_off_unless_it_is_named():
    assert default_recipe(dict.fromkeys(("honbun", "negaposi", "split", "seed"), "x")) == QUICK
    for flag in CHOSEN - {"head"}:
        assert default_recipe({"honbun": "x", flag: 1}) == NONE
        assert default_recipe({"honbun": "x", flag: 1, "head": "vector"}) == NONE


def test_a_head_with_separate_inputs_alone_does_not_switch_it_off():
    for head in HEADS:
        assert default_recipe({"honbun": "x", "head": head}) == (QUICK if is_cacheable(head) else NONE)


@pytest.fixture
def bert(tiny, tmp_path):
    """Returns a copy of the tiny BERT whose pooler's bias is as given."""

    def copy(bias):
        folder = tmp_path / f"bert{bias}"
        shutil.copytree(tiny.folder, folder)
        variables = random_tf1_variables(BertConfig(**tiny.config))
        variables["bert/pooler/dense/bias"] = np.full_like(variables["bert/pooler/dense/bias"], bias)
        write_checkpoint(str(folder / "model.ckpt"), variables)
        return tiny.flags | {"init_checkpoint": str(folder / "model.ckpt")}

    return copy


def configured(flags):
    parser = make_parser("keras_negaposi.train", train.__doc__, "[--FLAG VALUE ...]")
    add_flags(parser, TrainConfig)
    return train.configure(parser.parse_args([f"--{name}={value}" for name, value in flags.items()]))


def test_a_command_without_training_flags_gets_the_quick_recipe(bert, tmp_path, capsys):
    flags = bert(0.0) | {"output_dir": tmp_path / "run"}
    config = configured(flags)
    assert (config.recipe, config.head, config.truncate_a) == (QUICK, "vector", "start")
    assert "--head vector: the pooler is untrained" in capsys.readouterr().out
    assert configured(bert(0.1) | {"output_dir": tmp_path / "run"}).head == "pair"
    # A given flag wins, and without --recipe, one that is not the head switches the recipe off.
    for more in ({"head": "dot"}, {"head": "dot", "recipe": QUICK}):
        config = configured(flags | more)
        assert (config.recipe, config.head, config.truncate_a) == (QUICK, "dot", "start")
    assert configured(flags | {"loss": "both"}).head == "vector"  # without this head, it would have no effect
    config = configured(flags | {"head": "pair_means", "recipe": QUICK})
    assert (config.recipe, config.head, config.truncate_a) == (QUICK, "pair_means", "start")
    config = configured(flags | {"head": "dot", "num_train_epochs": 2})
    assert (config.recipe, config.head, config.truncate_a) == (NONE, "dot", "end")


def test_the_facts_do_not_depend_on_labels(tiny, tmp_path):
    rows = json.loads(open(tiny.flags["negaposi"], encoding="utf-8").read())
    rows = (
        rows if isinstance(rows, list) else [[a, b, 1] for a, b in rows["posi"]] + [[a, b, 0] for a, b in rows["nega"]]
    )
    (tmp_path / "swapped.json").write_text(json.dumps([[a, b, 1 - label] for a, b, label in rows]))
    defaults = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    facts = read_facts(defaults | tiny.flags)
    assert facts == read_facts(defaults | tiny.flags | {"negaposi": str(tmp_path / "swapped.json")})
    assert facts.pairs == len(rows)
    assert facts.adjacent == 24 * 5


def test_a_run_by_the_recipe_is_finished_and_resumable(bert, without_export, tmp_path):
    flags = bert(0.0) | {"output_dir": tmp_path / "run", "split": "grouped", "rank_queries": 0, "precision": "float32"}
    assert train.main([f"--{name}={value}" for name, value in flags.items()]) == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert (saved["recipe"], saved["head"]) == (QUICK, "vector")
    assert train.main(["--resume", f"--output_dir={tmp_path / 'run'}"]) == 0
