"""What ``import keras_negaposi`` offers, and the files that tell type checkers to read the annotations."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import checkpoints_tools
import keras_negaposi

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_distributions():
    assert keras_negaposi.__version__ == version("keras-negaposi")
    assert keras_negaposi.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_import_loads_nothing_heavy():
    code = (
        "import sys, keras_negaposi\n"
        "assert keras_negaposi.__version__\n"
        "heavy = {'tensorflow', 'sklearn', 'numpy', 'tf_keras'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_every_public_name_is_there():
    assert set(keras_negaposi.__all__) <= set(dir(keras_negaposi))
    for name in keras_negaposi.__all__:
        assert getattr(keras_negaposi, name) is not None, name
    with pytest.raises(AttributeError, match="has no attribute 'Scorers'"):
        keras_negaposi.Scorers  # noqa: B018


def test_annotations_are_offered_to_type_checkers():
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in (keras_negaposi, checkpoints_tools):
        assert "py.typed" in shipped[package.__name__]
        assert (Path(package.__file__).parent / "py.typed").is_file()
