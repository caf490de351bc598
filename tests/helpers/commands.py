"""Every command with its configuration, and a call that it must refuse."""

import time

from checkpoints_tools.common.errors import LONGEST_MESSAGE
from keras_negaposi import (
    baseline,
    config,
    doctor,
    evaluate,
    export,
    index,
    pairs,
    predict,
    prepare,
    serve,
    suggest,
    train,
)
from keras_negaposi.config.devices import TpuConfig
from keras_negaposi.sample import make

COMMANDS = {
    "train": (train.main, [], config.TrainConfig),
    "prepare": (prepare.main, [], config.PrepareConfig),
    "baseline": (baseline.main, [], config.BaselineConfig),
    "evaluate": (evaluate.main, ["run"], config.EvaluateConfig),
    "export": (export.main, ["run"], config.ExportConfig),
    "predict": (predict.main, ["run"], config.PredictConfig),
    "index": (index.main, [], config.IndexConfig),
    "suggest": (suggest.main, ["index"], config.SuggestConfig),
    "serve": (serve.main, ["index"], config.ServeConfig),
    "pairs": (pairs.main, ["source"], config.PairsConfig),
    "doctor": (doctor.main, [], TpuConfig),
    "make": (make.main, [], make.MakeConfig),
}
"""Name -> (main function, arguments without a flag, configuration)."""


def refusal(main, arguments, capsys):
    """The line of a command that has to refuse."""
    started = time.perf_counter()
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    output = capsys.readouterr()
    assert time.perf_counter() - started < 2
    assert code == 2 and not output.out
    assert output.err.count("\n") == 1 and len(output.err) < LONGEST_MESSAGE + 100, output.err[:300]
    return output.err


def check_refused(main, arguments, words, capsys):
    """Runs a command in this process; it must return 2 and print one line with these words to stderr."""
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert len(error.splitlines()) == 1, error
    assert "error: " in error and "Traceback" not in error
    line = error.strip()
    assert len(line) < 700
    for word in words:
        assert word in line, line
