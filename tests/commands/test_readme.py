"""What the README tells people to type exists."""

import dataclasses
import importlib.util
import re
from pathlib import Path

from checkpoints_tools.__main__ import parser
from keras_negaposi import config
from keras_negaposi.sample.make import MakeConfig

README = Path(__file__).parents[2] / "README.md"
CONFIGS = (config.TrainConfig, config.EvaluateConfig, config.PredictConfig, config.BaselineConfig, MakeConfig)
CONFIGS += (config.IndexConfig, config.SuggestConfig, config.PairsConfig)


def test_every_flag_is_one_of_ours():
    ours = {field.name for config_class in CONFIGS for field in dataclasses.fields(config_class)}
    for command in next(action.choices for action in parser()._actions if isinstance(action.choices, dict)).values():
        ours |= {flag.removeprefix("--") for action in command._actions for flag in action.option_strings}
    mentioned = set(re.findall(r"(?<![\w-])--([a-z]+(?:_[a-z]+)*)", README.read_text(encoding="utf-8")))
    assert {"honbun", "init_checkpoint", "resume"} <= mentioned
    assert mentioned - ours <= {
        "help",
        "all",
        "logdir",
        "dir",
        "tag",
        "signature",
        "inputs",
        "no",
    }  # other programs' flags


def test_every_module_is_there():
    modules = set(re.findall(r"python -m ((?:keras_negaposi|checkpoints_tools)[a-z_.]*)", README.read_text("utf-8")))
    assert "keras_negaposi.train" in modules
    for name in modules:
        assert importlib.util.find_spec(name), name
