"""Two pictures of a model on its test part: precision against recall, and whether its probabilities hold."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from poc.errors import OutputNotWritable
from poc.model.evaluation import Evaluation, calibration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_FILE = "pr_curve.png"
CALIBRATION_FILE = "calibration.png"
_INK, _MODEL, _ALARM, _QUIET = "#222222", "#1f5fa8", "#c8451b", "#8a8a8a"


def draw_pictures(
    folder: Path, scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation
) -> tuple[Path, Path]:
    """Draw both into `folder`, as pr_curve.png and calibration.png.

    Raises:
        OutputNotWritable: a picture cannot be written.
    """
    paths = (folder / CURVE_FILE, folder / CALIBRATION_FILE)
    for path, figure in zip(
        paths, (_curve(scores, labels, evaluation), _calibration(scores, labels, evaluation)), strict=True
    ):
        try:
            figure.savefig(path, dpi=150, facecolor="white")
        except OSError as error:
            raise OutputNotWritable(path, str(error.strerror)) from error
    return paths


def _curve(scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation) -> Figure:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(labels, scores)
    figure, axes = _sheet(f"Precision and recall: PR-AUC {evaluation.pr_auc:.2f}", evaluation)
    # Average precision is the area under these steps, not under a line through their corners.
    axes.fill_between(recall, precision, step="post", color=_MODEL, alpha=0.12, linewidth=0)
    axes.step(recall, precision, where="post", color=_MODEL, linewidth=2, label="model, at every threshold")
    axes.axhline(
        evaluation.base_rate,
        color=_QUIET,
        linestyle="--",
        linewidth=1.2,
        label=f"guessing: {evaluation.base_rate * 100:.1f} % of all are fraud",
    )
    if evaluation.precision is not None:
        axes.plot(
            evaluation.recall,
            evaluation.precision,
            "o",
            color=_ALARM,
            markersize=9,
            markeredgecolor="white",
            markeredgewidth=1.5,
            zorder=5,
            label=f"threshold {evaluation.threshold:.3f}: {evaluation.caught} of {evaluation.frauds} frauds"
            f" caught, {evaluation.caught} of {evaluation.alarms} alarms right",
        )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set_xlabel("recall: share of the frauds that raise an alarm")
    axes.set_ylabel("precision: share of the alarms that are fraud")
    _finish(axes, 2)
    return figure


def _calibration(scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation) -> Figure:
    bins = calibration(scores, labels)
    figure, axes = _sheet(f"Calibration: Brier score {evaluation.brier:.4f}", evaluation)
    predicted = np.array([part.predicted for part in bins])
    observed = np.array([part.observed for part in bins])
    low, high = (np.array([getattr(part, end) for part in bins]) for end in ("low", "high"))
    floor = 10.0 ** np.floor(np.log10(max(predicted.min(), 1e-6)))
    # On a logarithmic axis a bin without fraud has no place; it sits on the floor, open.
    seen = observed > 0
    shown = np.where(seen, observed, floor)
    axes.plot([floor, 1], [floor, 1], color=_QUIET, linestyle="--", linewidth=1.2, label="as predicted")
    axes.vlines(predicted, np.maximum(low, floor), high, color=_MODEL, alpha=0.45, linewidth=2)
    axes.plot(predicted[seen], shown[seen], "o", color=_MODEL, markersize=8, label="observed, 95 % interval")
    if not seen.all():
        axes.plot(
            predicted[~seen], shown[~seen], "o", color=_MODEL, markerfacecolor="white", markersize=8,
            label="no fraud among them", clip_on=False, zorder=5,
        )  # fmt: skip
    for part, top in zip(bins, high, strict=True):
        axes.annotate(
            f"{part.rows:,}", (part.predicted, top), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=8, color=_QUIET,
        )  # fmt: skip
    axes.axvline(
        evaluation.threshold, color=_ALARM, linewidth=1.2, label=f"threshold {evaluation.threshold:.3f}"
    )
    axes.set(xscale="log", yscale="log", xlim=(floor, 1.25), ylim=(floor, 1.8))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{share * 100:.6g} %")
    axes.set_xlabel("predicted fraud probability (mean of a group; its number of rows above it)")
    axes.set_ylabel("observed share of fraud")
    _finish(axes, 2)
    return figure


def _sheet(title: str, evaluation: Evaluation) -> "tuple[Figure, Axes]":
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=_INK)
    axes.text(
        0, 1.02, f"the newest {evaluation.rows:,} transactions, {evaluation.frauds:,} of them fraud,"
        " none of them seen in training", transform=axes.transAxes, fontsize=9, color=_QUIET,
    )  # fmt: skip
    return figure, axes


def _finish(axes: "Axes", columns: int) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9, ncols=columns)
