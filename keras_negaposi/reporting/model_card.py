"""The model card: ``README.md`` in a run's folder, with the metadata that Hugging Face's Hub reads.

It holds counts and figures, but no text and no title of the user's pairs. The format is described at
https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

import jinja2
import yaml

from checkpoints_tools.bert_config import BertConfig
from checkpoints_tools.common.cli import say
from checkpoints_tools.common.errors import InputError
from checkpoints_tools.common.files import exists, read_text, write_text
from keras_negaposi.config.heads import BI_ENCODER, HEADS
from keras_negaposi.evaluation.baseline_comparison import MODEL_ALONE, display_name
from keras_negaposi.evaluation.bootstrap import Interval
from keras_negaposi.evaluation.run_evaluation import RunEvaluation
from keras_negaposi.reporting.figures import number
from keras_negaposi.runtime.html import visible

_METRICS = {"accuracy": "accuracy", "f1": "F1", "roc_auc": "ROC AUC", "pr_auc": "average precision"}
"""Displayed name by the metric's name in `bootstrap.METRICS`."""
_SPLITS = {
    "grouped": "of documents that are not in training",
    "random": "drawn from all pairs, whatever their documents",
}
_METADATA = re.compile(r"---\n(.*?)^---\n", re.DOTALL | re.MULTILINE)
_SEAL = "\n<!-- keras_negaposi replaces this file unless you change it (sha256 {}) -->\n"
"""Last line of a card; a card whose other text has another hash was changed by hand."""
_SEALED = re.compile(re.escape(_SEAL).replace(r"\{\}", "([0-9a-f]{64})") + r"\Z")


def render_card(result: RunEvaluation) -> str:
    """Returns the model card of an evaluated run."""
    assessment, run = result.assessment, result.run
    dev = run.scores_by_part.get("dev")
    alone = (assessment.contributions or {}).get(MODEL_ALONE)
    body = _template().render(
        name=_name(result),
        kind=HEADS[run.config.head].summary.split(",")[0],
        verdict=result.verdict,
        warnings=result.warnings,
        test=f"{assessment.pairs:,}",
        split=_SPLITS[run.config.split],
        threshold=f"{assessment.calibration.decision_threshold:.3f}",
        metrics=[(name, _shown(assessment.figures[key])) for key, name in _METRICS.items()],
        baselines=[(display_name(key), found.accuracy.percent()) for key, found in assessment.baselines.items()],
        contributions=f"the model alone has an accuracy of {alone.accuracy.percent()}" if alone else "",
        train=f"{len(run.train):,}",
        positive=f"{sum(pair.label for pair in run.train):,}",
        dev=f", and {len(dev.labels):,} dev pairs" if dev else "",
        texts=f"{len(run.texts):,}",
        max_seq_length=run.config.max_seq_length,
        encoder=_encoder(run.folder.bert_config),
        command=str(result.saved.get("command") or "a program"),
    )
    return _joined(_metadata(result), body)


def write_card(path: str, card: str) -> None:
    """Writes a card, unless the one that is there was changed by hand or is not ours."""
    if exists(path):
        body, digest = _unsealed(read_text(path))
        if digest != _digest(body):
            say(f"{path}: was changed by hand, so it stays as it is; remove it to get a new model card")
            return
    write_text(path, card + _SEAL.format(_digest(card)))


def exported_card(path: str, library: str, usage: str) -> str:
    """Returns a run's model card for a folder that another library opens.

    Args:
        path: the run's card.
        library: the library's name on the Hub, such as ``transformers``.
        usage: a section that says how to use the folder.

    Raises:
        InputError: the file cannot be read, or has no metadata.
    """
    text, _ = _unsealed(read_text(path))
    found = _METADATA.match(text)
    try:
        metadata = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError:
        metadata = None
    if not found or not isinstance(metadata, dict):
        raise InputError(f"{path}: does not begin with metadata between two lines ---; evaluate the run again")
    return _joined(metadata | {"library_name": library}, text[found.end() :] + usage)


def _unsealed(text: str) -> tuple[str, str | None]:
    """Returns a card without its last line, and the hash in that line."""
    found = _SEALED.search(text)
    return (text[: found.start()], found[1]) if found else (text, None)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _metadata(result: RunEvaluation) -> dict[str, Any]:
    """Returns the metadata; ``license`` is the user's to choose."""
    head, figures = result.run.config.head, result.assessment.figures
    task = "sentence-similarity" if head == BI_ENCODER else "text-classification"
    metrics = [{"type": key, "name": name, "value": _rounded(figures[key].value)} for key, name in _METRICS.items()]
    results = {
        "task": {"type": task, "name": "Does text B come next after text A?"},
        "dataset": {"type": "private", "name": "labelled pairs of texts", "split": "test"},
        "metrics": [metric for metric in metrics if metric["value"] is not None],
    }
    return {
        "language": "ja",
        "license": "other",
        "library_name": "tf-keras",
        "pipeline_tag": task,
        "tags": ["keras_negaposi", head],
        "model-index": [{"name": _name(result), "results": [results]}],
    }


def _encoder(path: str) -> str:
    """Returns a sentence about the BERT; nothing if the run has no copy of its configuration."""
    if not exists(path):
        return ""
    config = BertConfig.from_file(path)
    return f" The encoder has {config.num_hidden_layers} layers and a width of {config.hidden_size}."


def _name(result: RunEvaluation) -> str:
    return os.path.basename(result.run.folder.path.rstrip("/")) or "model"


def _rounded(value: float) -> float | None:
    """Returns a figure for the metadata; ``None`` if it is not defined."""
    return round(value, 4) if value == value else None


def _shown(figure: Interval) -> str:
    return "not defined" if _rounded(figure.value) is None else number(figure)


def _joined(metadata: dict[str, Any], body: str) -> str:
    return f"---\n{yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False)}---\n{body}"


def _template() -> jinja2.Template:
    """Returns the template. Its values are figures, the run's name and its command, so nothing is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_negaposi.reporting", ""),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: visible(value).replace("```", "'''") if isinstance(value, str) else value,
    )
    return environment.get_template("model_card.md")
