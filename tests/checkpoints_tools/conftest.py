"""Fixtures of the tests of checkpoints_tools."""

import shutil

import pytest

from checkpoints_tools.conversion import convert
from checkpoints_tools.source import open_source
from tests.helpers.checkpoints import all_variables, save_tf1


@pytest.fixture(scope="session")
def formats(tmp_path_factory):
    """A folder with one BERT in every format: ``tf1``, ``tf2``, ``huggingface`` and two Keras weight files."""
    folder = tmp_path_factory.mktemp("formats")
    source = open_source(save_tf1(folder / "tf1", all_variables()))
    for to in ("tf2", "huggingface"):
        convert(source, str(folder / to), to)
    encoder = source.encoder()
    for name in ("encoder.h5", "encoder.weights.h5"):
        encoder.save_weights(str(folder / name))
    return folder


@pytest.fixture
def copied(formats, tmp_path):
    """A function that copies a folder or file of `formats` and returns the copy's path."""

    def copy(name):
        if (formats / name).is_dir():
            return shutil.copytree(formats / name, tmp_path / name)
        return str(shutil.copy(formats / name, tmp_path / name))

    return copy
