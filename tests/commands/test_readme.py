"""The documents: every flag and module that they name exists, and every link leads somewhere."""

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest

from checkpoints_tools.__main__ import parser
from keras_negaposi import config
from keras_negaposi.sample.make import MakeConfig

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FOLDERS = ("keras_negaposi", "checkpoints_tools", "tests", ".github")
DOCUMENTS = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
CONFIGS = (config.TrainConfig, config.EvaluateConfig, config.PredictConfig, config.BaselineConfig, MakeConfig)
CONFIGS += (config.IndexConfig, config.SuggestConfig, config.PairsConfig, config.ExportConfig, config.ServeConfig)


def all_documents():
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


def anchors(path):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_readme_is_short():
    for name in ("README.md", "README.ja.md"):
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(path):
    links = re.findall(r"\]\((?!https?:)([^)\s]*)\)", path.read_text(encoding="utf-8"))
    for link in links:
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_flag_is_one_of_ours():
    ours = {field.name for config_class in CONFIGS for field in dataclasses.fields(config_class)}
    ours |= {field.metadata["old"] for config_class in CONFIGS for field in dataclasses.fields(config_class)}
    for command in next(action.choices for action in parser()._actions if isinstance(action.choices, dict)).values():
        ours |= {flag.removeprefix("--") for action in command._actions for flag in action.option_strings}
    ours.add("config")  # of every command, but no field of a configuration
    mentioned = set(re.findall(r"(?<![\w-])--([a-z]+(?:_[a-z]+)*)", all_documents()))
    assert {"honbun", "init_checkpoint", "resume"} <= mentioned
    assert mentioned - ours <= {
        "help",
        "beside",
        "rounds",
        "kind",
        "minutes",
        "all",
        "check",
        "dist",
        "logdir",
        "dir",
        "tag",
        "signature",
        "inputs",
        "sizes",
        "work",
        "nworkers",
        "nthreads",
        "no",
    }  # other programs' flags


def test_every_module_is_there():
    modules = set(re.findall(r"python -m ((?:keras_negaposi|checkpoints_tools)(?:[.][a-z_]+)*)", all_documents()))
    assert "keras_negaposi.train" in modules
    for name in modules:
        assert importlib.util.find_spec(name), name
