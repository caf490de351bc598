"""The last line after a training says what fits the user's own situation."""

from types import SimpleNamespace

import pytest

from keras_negaposi.config import TrainConfig
from keras_negaposi.runtime.run_folder import RunFolder
from keras_negaposi.train import further_step, sample_options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (sample_options(), "--init_checkpoint FOLDER_OF_YOUR_BERT"),
        (sample_options() | {"head": "vector"}, "--init_checkpoint FOLDER_OF_YOUR_BERT"),
        ({"honbun": "mine.json", "head": "maxsim"}, "keras_negaposi.index 'a run' --output pages && "),
        ({"pairs": "mine.csv", "head": "vector"}, "keras_negaposi.index 'a run' --output pages && "),
        ({"honbun": "mine.json", "head": "pair"}, None),
    ],
)
def test_the_last_line(options, expected):
    config = TrainConfig(output_dir="a run", **{"init_checkpoint": "bert"} | options)
    line = further_step(SimpleNamespace(config=config, folder=RunFolder("a run")))
    assert expected in line if expected else line == ""
