"""The report's plots, each an SVG element in the colours of the page, which may be light or dark."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.metrics import ConfusionMatrixDisplay, precision_recall_curve, roc_curve

from keras_negaposi.evaluation.bootstrap import BINS, Predictions
from keras_negaposi.evaluation.coverage import Coverage
from keras_negaposi.evaluation.dev_history import DevHistory, DevPoint
from keras_negaposi.evaluation.figures_json import Point

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_INK, _GREY, _BLUE, _ORANGE = "#010101", "#020202", "#030303", "#040404"
_COLOURS = {_INK: "var(--ink)", _GREY: "var(--muted)", _BLUE: "var(--run)", _ORANGE: "var(--other)"}
"""CSS colours of the page, light or dark, by the colour that stands for them while Matplotlib draws."""
_INK_PARTS: tuple[RcKeyType, ...] = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
_GREY_PARTS: tuple[RcKeyType, ...] = ("axes.edgecolor", "xtick.color", "ytick.color")
_STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "font.size": 10.5,  # 13 pixels where a plot is as wide as a phone
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(_INK_PARTS, _INK),
    **dict.fromkeys(_GREY_PARTS, _GREY),
}


Plot = Callable[[Axes], None]
"""Draws on axes."""


def draw(plot: Plot, label: str) -> str:
    """Runs ``plot`` on new axes; returns the ``<svg>`` element, with ``label`` for screen readers."""
    with plt.rc_context(_STYLE | {"svg.hashsalt": label}):  # so that no two plots have the same ids
        figure, axes = plt.subplots(figsize=(3.9, 2.9), layout="constrained")
        plot(axes)
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    for colour, of_page in _COLOURS.items():
        svg = svg.replace(colour, of_page)
    return svg


def pixels(plot: Plot) -> np.ndarray:
    """Runs ``plot`` on new axes; returns an image on white, ``uint8 [height, width, 4]``."""
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    plot(axes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba()).copy()
    plt.close(figure)
    return image


def confusion(counts: Sequence[Sequence[int]]) -> Plot:
    """Returns a plot of a confusion matrix, ``[label][prediction]``."""

    def plot(axes: Axes) -> None:
        display = ConfusionMatrixDisplay(np.array(counts), display_labels=("does not", "comes next"))
        display.plot(ax=axes, colorbar=False, cmap="Blues", values_format=",d")

    return plot


def roc(predictions: Predictions) -> Plot:
    """Returns a plot of the ROC curve."""

    def plot(axes: Axes) -> None:
        false_positives, true_positives, _ = roc_curve(predictions.labels, predictions.probabilities)
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
        axes.plot(false_positives, true_positives, color=_BLUE)
        axes.set(xlabel="false positive rate", ylabel="true positive rate")

    return plot


def precision_recall(predictions: Predictions) -> Plot:
    """Returns a plot of precision against recall."""

    def plot(axes: Axes) -> None:
        precision, recall, _ = precision_recall_curve(predictions.labels, predictions.probabilities)
        axes.plot(recall, precision, color=_BLUE, drawstyle="steps-post")
        axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))

    return plot


def reliability(predictions: Predictions) -> Plot:
    """Returns a reliability diagram: share of label 1 by mean probability per bin; larger bins have larger dots."""

    def plot(axes: Axes) -> None:
        bins = np.minimum((predictions.probabilities * BINS).astype(int), BINS - 1)
        counts = np.bincount(bins, minlength=BINS)
        filled = counts > 0
        predicted = np.bincount(bins, predictions.probabilities, BINS)[filled] / counts[filled]
        true = np.bincount(bins, predictions.labels, BINS)[filled] / counts[filled]
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
        axes.plot(predicted, true, color=_BLUE)
        axes.scatter(predicted, true, s=20 + 200 * counts[filled] / counts.max(), color=_BLUE, alpha=0.6)
        axes.set(xlabel="predicted probability", ylabel="share of label 1", xlim=(0, 1), ylim=(0, 1))

    return plot


def histogram(predictions: Predictions) -> Plot:
    """Returns a plot of the distribution of the scores in each class."""

    def plot(axes: Axes) -> None:
        edges = np.linspace(0, 1, 21)
        for label, color, name in ((0, _ORANGE, "label 0"), (1, _BLUE, "label 1")):
            chosen = predictions.probabilities[predictions.labels == label]
            axes.hist(chosen, edges.tolist(), color=color, alpha=0.35)
            axes.hist(chosen, edges.tolist(), color=color, linewidth=1.5, histtype="step", label=name)
        axes.axvline(predictions.threshold, color=_GREY, linestyle=":", label="threshold")
        axes.set(xlabel="predicted probability", ylabel="pairs")
        _legend(axes)

    return plot


def learning_curve(history: Sequence[Point], dev: DevHistory, name: str) -> Plot:
    """Returns a plot of ``loss`` or ``accuracy`` by step, on the training pairs and, if it was evaluated, the dev part.

    A vertical line marks the kept step.
    """

    def curve(axes: Axes, points: Sequence[Point | DevPoint], label: str, **style: Any) -> None:  # noqa: ANN401
        values = [getattr(point, name) for point in points]
        defined = [np.nan if value is None else value for value in values]
        axes.plot([point.step for point in points], defined, label=label, **style)

    def plot(axes: Axes) -> None:
        curve(axes, history, "training", color=_BLUE)
        if dev.points:
            curve(axes, dev.points, "dev", color=_ORANGE, marker="o")
            if dev.kept is not None:
                axes.axvline(dev.kept, color=_GREY, linestyle=":", label="kept")
            _legend(axes)
        axes.set(xlabel="step", ylabel=name)

    return plot


def coverage(found: Sequence[Coverage]) -> Plot:
    """Returns a plot of the accuracy of the most confident predictions by their share, with its interval."""

    def plot(axes: Axes) -> None:
        shares = [100 * each.share for each in found]
        low, value, high = ([100 * getattr(each.accuracy, end) for each in found] for end in ("low", "value", "high"))
        axes.fill_between(shares, low, high, color=_BLUE, alpha=0.25, linewidth=0)
        axes.plot(shares, value, color=_BLUE, marker="o")
        axes.set(xlabel="most confident pairs, %", ylabel="of them correct, %")

    return plot


def accuracy_by(values: np.ndarray, predictions: Predictions, label: str, parts: int = 6) -> Plot:
    """Returns a plot of the accuracy by a value, in equally large groups of pairs with 95 % binomial intervals."""

    def plot(axes: Axes) -> None:
        chunks = [chunk for chunk in np.array_split(np.argsort(values, kind="stable"), parts) if len(chunk)]
        shares = np.array([predictions.correct[chunk].mean() for chunk in chunks])
        errors = 1.96 * np.sqrt(shares * (1 - shares) / [len(chunk) for chunk in chunks])
        axes.errorbar([np.median(values[chunk]) for chunk in chunks], shares, errors, color=_BLUE, marker="o")
        axes.set(xlabel=label, ylabel="accuracy")

    return plot


def _legend(axes: Axes) -> None:
    """Names the lines above the plot, where no data are."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=3,
        frameon=False,
        borderaxespad=0,
        columnspacing=1,
        handlelength=1.5,
    )
