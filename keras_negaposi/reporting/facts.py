"""What a run is, at the top of its report, and what to do with it, at the end."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.files import exists
from keras_negaposi.config.heads import HEADS, is_cacheable
from keras_negaposi.evaluation.credibility import FinishedRun
from keras_negaposi.evaluation.example import predict_command
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.evaluation.status import NOT_USABLE

_SPLITS = {
    "grouped": "grouped: no document is in both training and test",
    "random": "random: by pair, so documents may be in both training and test",
}


def name_of(run: FinishedRun) -> str:
    """Returns the name of the run's folder."""
    return os.path.basename(run.folder.path.rstrip("/")) or "run"


def facts(run: FinishedRun, saved: Mapping[str, object]) -> list[tuple[str, str]]:
    """Returns what a run is, by name; what an older version did not save is left out.

    Args:
        run: the run.
        saved: the content of its ``config.json``.
    """
    started = saved.get("started")
    parts = {"train": len(run.train), **{part: len(scores.labels) for part, scores in run.scores_by_part.items()}}
    pairs = ", ".join(f"{parts[part]:,} {part}" for part in ("train", "dev", "test") if part in parts)
    hybrid = ", combined with lexical features (hybrid)" if run.calibration.hybrid else ""
    return [
        *([("date", str(started))] if started else []),
        ("model", _model(run)),
        ("head", f"{run.config.head}: {HEADS[run.config.head].summary}{hybrid}"),
        ("data", f"{_data(run)}, {len(run.texts):,} texts"),
        ("split", _SPLITS[run.config.split] if run.test else "none: all pairs were trained on (--test_share 0)"),
        ("pairs", pairs),
    ]


def next_steps(result: RunEvaluation) -> list[tuple[str, str]]:
    """Returns what to do next and the command for it; what concerns an index depends on the head."""
    run = shlex.quote(result.run.folder.path)
    head = result.run.config.head
    if result.status.level == NOT_USABLE:
        return [("When you have trained again, see what has changed", _command(f"evaluate {run} NEW --compare c.html"))]
    index = f"index {run} --output index"
    if is_cacheable(head):
        suggest = f"{_command(index)}\n{_command('suggest index --html suggestions.html')}"
    else:
        suggest = (
            f"{_command('index --honbun honbun_data.json --output index')}\n"
            f"{_command(f'suggest index --title TITLE --rerank 20 --reranker {run}')}"
        )
    return [
        ("Score a pair", predict_command(result.run)),
        ("Suggest links", suggest),
        (
            "Test it on pairs of other documents",
            _command(f"evaluate {run} --honbun honbun_data.json --negaposi negaposi.json"),
        ),
        ("Compare it with another run", _command(f"evaluate {run} RUN2 --compare comparison.html")),
        ("Use it in other programs", _command(f"export {run} --to huggingface --output FOLDER")),
    ]


def _command(words: str) -> str:
    return f"python -m keras_negaposi.{words}"


def _model(run: FinishedRun) -> str:
    """Returns the checkpoint's last two names, and the encoder's size where the run has a copy of its configuration."""
    path = str(run.config.init_checkpoint).rstrip("/")
    name = "/".join(path.split("/")[-2:])
    if not exists(run.folder.bert_config):
        return name
    config = BertConfig.from_file(run.folder.bert_config)
    return f"{name} ({config.num_hidden_layers} layers, {config.hidden_size} wide)"


def _data(run: FinishedRun) -> str:
    """Returns the names of the files with the pairs."""
    config = run.config
    paths = [config.pairs] if config.pairs else [config.honbun, config.negaposi]
    return " and ".join(os.path.basename(str(path)) for path in paths)
