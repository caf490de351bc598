"""The rooms: every module can be imported, imports point only downward, and no two rooms import each other."""

import ast
import importlib
import statistics
from pathlib import Path

import pytest

import keras_negaposi
from keras_negaposi.config.heads import HEADS
from keras_negaposi.modeling.heads import _module
from tests.conftest import LONGEST

ROOT = Path(__file__).parents[1]
LEVELS = (
    ("checkpoints_tools",),
    ("config", "data", "lexical"),
    ("readers", "runtime"),
    ("tokenizers",),
    ("input_pipeline",),
    ("modeling",),
    ("serving",),
    ("index_files",),
    ("retrieval", "evaluation", "exporting", "reporting", "links_page"),
    ("training", "pair_generation"),
    ("server",),
    ("sample", "api"),
    ("commands",),
)
"""From the bottom up: a room imports from its own level and from lower ones."""
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
INNER = (("common",), ("bert_config", "name_map", "encoder"), ("formats",))
"""The levels of checkpoints_tools, from the bottom up; its other modules are above these."""


def find_modules():
    files = [path for package in ("checkpoints_tools", "keras_negaposi") for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


MODULES = find_modules()


def room(name):
    package, *inner = name.split(".")
    if package == "checkpoints_tools":
        return package
    return inner[0] if inner and (ROOT / package / inner[0]).is_dir() else "commands"


def imports(path):
    """Our modules that a file imports, also within functions and for type checks."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


# The package itself offers names of its rooms, which are imported on first use.
EDGES = {
    (name, other)
    for name, path in MODULES.items()
    for other in imports(path)
    if other in MODULES and name != "keras_negaposi"
}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if not name.endswith("__main__")))
def test_every_module_can_be_imported(name):
    importlib.import_module(name)


def test_every_room_has_a_level():
    assert {room(name) for name in MODULES} == set(LEVEL)


def test_no_room_imports_upward():
    assert not [f"{name} -> {other}" for name, other in EDGES if LEVEL[room(other)] > LEVEL[room(name)]]


def test_no_two_rooms_import_each_other():
    rooms = {(room(name), room(other)) for name, other in EDGES if room(name) != room(other)}
    assert not [pair for pair in rooms if pair[::-1] in rooms]


def test_the_inner_rooms_of_checkpoints_tools_import_downward():
    def level(name):
        part = name.split(".")[1] if "." in name else ""
        return next((number for number, parts in enumerate(INNER) if part in parts), len(INNER))

    ours = [(name, other) for name, other in EDGES if room(name) == room(other) == "checkpoints_tools"]
    assert not [f"{name} -> {other}" for name, other in ours if level(other) > level(name)]


def test_files_are_short():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert statistics.median(lengths.values()) <= 120
    assert max(lengths.values()) <= 360, max(lengths, key=lengths.get)


def test_the_test_files_that_come_first_exist():
    assert not [file for file in LONGEST if not (ROOT / "tests" / file).is_file()]


def test_every_head_has_a_module():
    assert all(callable(_module(head).build) for head in HEADS)


def test_the_public_names_are_there():
    assert all(callable(getattr(keras_negaposi, name)) for name in keras_negaposi.__all__ if name != "__version__")
    assert not hasattr(keras_negaposi, "nothing")
