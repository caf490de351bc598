"""The lighter install of the README: its lists hold all that the code imports, in the versions of pyproject.toml."""

import ast
import functools
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_architecture import MODULES

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_OURS = {"gin-config"}
"""What only other packages import."""
NOT_FOR_USERS = {"test", "dev", "benchmarks"}
"""Extras whose packages the code must not import."""
ROOM_OF_AN_EXTRA = "keras_negaposi.server"
"""All of its modules need the extra serve."""
IMPORT_ALL = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"


@functools.cache
def listed(file):
    lines = (ROOT / ".docker" / file).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def name_of(requirement):
    """The distribution that has these files here, in a full install."""
    return "tensorflow" if requirement.name == "tensorflow-cpu" else canonicalize_name(requirement.name)


def closure(requirements):
    """The names of required distributions, with all that these require."""
    found, left = set(), [*requirements]
    while left:
        requirement = left.pop()
        holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if holds and name_of(requirement) not in found:
            found.add(name_of(requirement))
            left += map(Requirement, requires(name_of(requirement)) or ())
    return found


def installed():
    """The names of the distributions that the lighter install has."""
    return closure(listed("light.txt")) | set(map(name_of, listed("no_deps.txt")))


def imported():
    """The modules that the code imports, also within functions."""
    for path in (MODULES[name] for name in MODULES if not name.startswith(ROOM_OF_AN_EXTRA)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module
            elif isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)


def of_extras():
    """The names of the packages that users add by an extra; those that are not installed here are of extras, too."""
    extras = PROJECT["optional-dependencies"]
    names = {name_of(Requirement(line)) for extra in extras.keys() - NOT_FOR_USERS for line in extras[extra]}
    owners = {module: set(map(canonicalize_name, of)) for module, of in packages_distributions().items()}
    tops = {module.partition(".")[0] for module in imported()} - sys.stdlib_module_names
    return {top for top in tops if owners.get(top, names) <= names} - {"keras_negaposi", "checkpoints_tools"}


def link(names, folder):
    """Fills a folder with links to the modules of some installed distributions."""
    for name in names:
        for file in distribution(name).files or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (folder / top).exists():
                (folder / top).symlink_to(Path(distribution(name).locate_file(top)))


def test_the_lists_have_the_versions_of_the_full_install():
    ours = {name_of(each): each.specifier for each in map(Requirement, PROJECT["dependencies"])}
    lists = [*listed("light.txt"), *listed("no_deps.txt")]
    assert {name_of(each): each.specifier for each in lists if each.name not in NOT_OURS} == ours
    assert all(each.specifier == ours["tensorflow"] for each in lists if name_of(each) == "tensorflow")


def test_the_lists_leave_out_what_is_heavy():
    full = closure(map(Requirement, PROJECT["dependencies"]))
    assert {"opencv-python-headless", "kaggle", "sacrebleu"} <= full - installed()


@pytest.mark.slow
def test_all_that_the_code_imports_is_in_the_lists(tmp_path):
    link(installed(), tmp_path)
    extras = of_extras()
    names = {name for name in {*imported(), *MODULES} if name.partition(".")[0] not in extras}
    names = sorted(name for name in names if not name.endswith("__main__") and not name.startswith(ROOM_OF_AN_EXTRA))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    command = [sys.executable, "-S", "-c", IMPORT_ALL, *names]  # -S: without this environment's own packages
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stderr[-2000:]
