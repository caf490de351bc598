"""The Dockerfile installs what the lighter install of the README does. No image is built: that needs Docker."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SOURCES = [line.split() for line in (ROOT / ".docker" / "Dockerfile").read_text(encoding="utf-8").splitlines()]


def instructions(name):
    """The arguments of each instruction with this name."""
    return [arguments for word, *arguments in filter(None, SOURCES) if word == name]


def copied():
    return {ROOT / path for *paths, _ in instructions("COPY") for path in paths}


@pytest.mark.parametrize("document", ["README.md", "README.ja.md"])
def test_the_packages_are_those_of_the_readme(document):
    (line,) = re.findall(r"`(\.venv/bin/pip install -r [^`]*)`", (ROOT / document).read_text(encoding="utf-8"))
    expected = [shlex.split(command) for command in line.replace(".venv/bin/", "").split("&&")]
    assert [[word for word in run if word != "--no-cache-dir"] for run in instructions("RUN")] == expected


def test_what_is_copied_exists_and_is_all_that_the_package_needs():
    assert all(path.exists() for path in copied())
    needed = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]]
    needed += [pattern.removesuffix("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    needed += [word for run in instructions("RUN") for word in run if word.startswith(".docker/")]
    assert copied() == {ROOT / name for name in [*needed, "pyproject.toml"]}


def test_it_runs_our_command_as_a_plain_user():
    ((entry_point,),) = instructions("ENTRYPOINT")
    assert json.loads(entry_point)[0] in PROJECT["project"]["scripts"]
    ((user,),) = instructions("USER")
    assert int(user.partition(":")[0]) > 0


def test_its_python_is_one_that_we_support():
    ((image,),) = instructions("FROM")
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(re.fullmatch(r"python:(.*)-slim", image)[1])
