"""The report's plots, each an SVG element that is readable on a light and on a dark page."""

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
from keras_negaposi.evaluation.dev_history import DevHistory, DevPoint
from keras_negaposi.evaluation.figures_json import Point

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

_GREY, _BLUE, _ORANGE = "#808080", "#3b82c4", "#e08214"
_GREY_PARTS: tuple[RcKeyType, ...] = (
    "text.color",
    "axes.labelcolor",
    "axes.edgecolor",
    "xtick.color",
    "ytick.color",
)
_STYLE: dict[RcKeyType, Any] = {
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "keras_negaposi",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.facecolor": "none",
    "legend.edgecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(_GREY_PARTS, _GREY),
}


def draw(plot: Callable[[Axes], None], label: str) -> str:
    """Runs ``plot`` on new axes; returns the ``<svg>`` element, with ``label`` for screen readers."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
        plot(axes)
        content = io.StringIO()
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    svg = content.getvalue()
    return svg[svg.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def pixels(plot: Callable[[Axes], None]) -> np.ndarray:
    """Runs ``plot`` on new axes; returns an image on white, ``uint8 [height, width, 4]``."""
    figure, axes = plt.subplots(figsize=(4, 3.4), layout="constrained")
    plot(axes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba()).copy()
    plt.close(figure)
    return image


def confusion(counts: Sequence[Sequence[int]]) -> Callable[[Axes], None]:
    """Returns a plot of a confusion matrix, ``[label][prediction]``."""

    def plot(axes: Axes) -> None:
        display = ConfusionMatrixDisplay(np.array(counts), display_labels=("does not", "comes next"))
        display.plot(ax=axes, colorbar=False, cmap="Blues", values_format=",d")

    return plot


def roc(predictions: Predictions) -> Callable[[Axes], None]:
    """Returns a plot of the ROC curve."""

    def plot(axes: Axes) -> None:
        false_positives, true_positives, _ = roc_curve(predictions.labels, predictions.probabilities)
        axes.plot([0, 1], [0, 1], color=_GREY, linestyle=":")
        axes.plot(false_positives, true_positives, color=_BLUE)
        axes.set(xlabel="false positive rate", ylabel="true positive rate")

    return plot


def precision_recall(predictions: Predictions) -> Callable[[Axes], None]:
    """Returns a plot of precision against recall."""

    def plot(axes: Axes) -> None:
        precision, recall, _ = precision_recall_curve(predictions.labels, predictions.probabilities)
        axes.plot(recall, precision, color=_BLUE, drawstyle="steps-post")
        axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))

    return plot


def reliability(predictions: Predictions) -> Callable[[Axes], None]:
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


def histogram(predictions: Predictions) -> Callable[[Axes], None]:
    """Returns a plot of the distribution of the scores in each class."""

    def plot(axes: Axes) -> None:
        edges = np.linspace(0, 1, 21)
        for label, color, name in ((0, _ORANGE, "does not come next"), (1, _BLUE, "comes next")):
            chosen = predictions.probabilities[predictions.labels == label]
            axes.hist(chosen, edges.tolist(), color=color, alpha=0.6, label=name)
        axes.axvline(predictions.threshold, color=_GREY, linestyle=":")
        axes.set(xlabel="predicted probability", ylabel="pairs")
        axes.legend()

    return plot


def learning_curve(history: Sequence[Point], dev: DevHistory, name: str) -> Callable[[Axes], None]:
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
            axes.legend()
        axes.set(xlabel="step", ylabel=name)

    return plot


def accuracy_by(values: np.ndarray, predictions: Predictions, label: str, parts: int = 6) -> Callable[[Axes], None]:
    """Returns a plot of the accuracy by a value, in equally large groups of pairs with 95 % binomial intervals."""

    def plot(axes: Axes) -> None:
        chunks = [chunk for chunk in np.array_split(np.argsort(values, kind="stable"), parts) if len(chunk)]
        shares = np.array([predictions.correct[chunk].mean() for chunk in chunks])
        errors = 1.96 * np.sqrt(shares * (1 - shares) / [len(chunk) for chunk in chunks])
        axes.errorbar([np.median(values[chunk]) for chunk in chunks], shares, errors, color=_BLUE, marker="o")
        axes.set(xlabel=label, ylabel="accuracy")

    return plot
