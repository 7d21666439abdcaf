"""A training in words and pictures: each says what was done and what was measured."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve
from sklearn.pipeline import Pipeline

from poc.dataset.columns import LABEL
from poc.model.conversion import Agreement
from poc.model.evaluation import Costs, Evaluation, calibration
from poc.model.examples import Examples, time_span
from poc.model.pipeline import number_of_trees
from poc.output import refusals


def describe_examples(examples: Examples) -> str:
    """Say how many labels found their features, and which did not."""
    left_out = examples.left_out
    counted = (
        (left_out.unlabelled, "without a label"),
        (left_out.repeated, "that share id and time with another"),
        (left_out.corrected, "that a later one corrects"),
        (left_out.unmatched, "without features at their time"),
        (left_out.keyless, "without one of their keys"),
    )
    said = "".join(f"\n    left out: {rows:,} rows {why}" for rows, why in counted if rows)
    return (
        f"Joined {len(examples.rows):,} labels to the features known at their time"
        f" (feature service {examples.served.service}){said}"
    )


def describe_fit(training: pd.DataFrame, pipeline: Pipeline) -> str:
    """Say what the model was fitted on."""
    return (
        f"Trained on {len(training):,} rows ({int(training[LABEL].sum()):,} frauds)"
        f" until {time_span(training)[1]:%Y-%m-%d %H:%M} UTC: {number_of_trees(pipeline)} trees"
    )


def describe_threshold(validation: Evaluation, costs: Costs) -> str:
    """Say which threshold was chosen, and by what."""
    return (
        f"Chose the threshold {validation.threshold:.4f} on the next {validation.rows:,} rows"
        f" ({validation.frauds:,} frauds): the cheapest, at {costs.missed_fraud:g} a missed fraud"
        f" and {costs.false_alarm:g} a false alarm"
    )


def describe_test(part: pd.DataFrame, test: Evaluation) -> str:
    """Word the figures of the newest part, a line each."""
    precision = "none" if test.precision is None else f"{test.precision * 100:.1f} %"
    figures = (
        ("PR-AUC", f"{test.pr_auc:.3f}", f"guessing gives the share of fraud, {test.base_rate:.3f}"),
        ("Precision", precision, f"{test.caught:,} of {test.alarms:,} alarms are fraud"),
        ("Recall", f"{test.recall * 100:.1f} %", f"{test.caught:,} of {test.frauds:,} frauds raise an alarm"),
        ("Cost", f"{test.cost:,.0f}", f"{test.cost_without_model:,.0f} without a model"),
    )
    lines = "".join(f"\n    {name:<10} {value:>8}   {meaning}" for name, value, meaning in figures)
    return (
        f"Tested on the newest {test.rows:,} rows ({test.frauds:,} frauds),"
        f" from {time_span(part)[0]:%Y-%m-%d %H:%M} UTC on{lines}"
    )


def describe_agreement(agreement: Agreement) -> str:
    """Say that the ONNX form decides as scikit-learn does; only true agreements exist."""
    return (
        f"ONNX agrees with scikit-learn on {agreement.rows:,} rows: no decision flipped,"
        f" scores differ by at most {agreement.largest_difference:.0e}"
    )


CURVE_FILE = "pr_curve.png"
CALIBRATION_FILE = "calibration.png"
_INK, _MODEL, _ALARM, _QUIET = "#222222", "#1f5fa8", "#c8451b", "#8a8a8a"


def draw_pictures(
    folder: Path, scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation
) -> tuple[Path, Path]:
    """Draw both into `folder`, as pr_curve.png and calibration.png.

    Raises OutputNotWritable: a picture cannot be written.
    """
    paths = (folder / CURVE_FILE, folder / CALIBRATION_FILE)
    for path, draw in zip(paths, (_curve, _calibration), strict=True):
        figure = draw(scores, labels, evaluation)
        figure.axes[0].legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9, ncols=2
        )
        with refusals(path):
            figure.savefig(path, dpi=150, facecolor="white")
    return paths


def _curve(scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation) -> Figure:
    precision, recall, _ = precision_recall_curve(labels, scores)
    figure, axes = _sheet(f"Precision and recall: PR-AUC {evaluation.pr_auc:.2f}", evaluation)
    # Average precision is the area under these steps, not under a line through their corners.
    axes.fill_between(recall, precision, step="post", color=_MODEL, alpha=0.12, linewidth=0)
    axes.step(recall, precision, where="post", color=_MODEL, linewidth=2, label="model, at every threshold")
    guessing = f"guessing: {evaluation.base_rate * 100:.1f} % of all are fraud"
    axes.axhline(evaluation.base_rate, color=_QUIET, linestyle="--", linewidth=1.2, label=guessing)
    if evaluation.precision is not None:
        caught = f"{evaluation.caught} of {evaluation.frauds} frauds caught"
        right = f"{evaluation.caught} of {evaluation.alarms} alarms right"
        axes.plot(
            evaluation.recall, evaluation.precision, "o", color=_ALARM, markersize=9, markeredgecolor="white",
            markeredgewidth=1.5, zorder=5, label=f"threshold {evaluation.threshold:.3f}: {caught}, {right}",
        )  # fmt: skip
    axes.set(xlim=(0, 1.02), ylim=(0, 1.05))
    axes.set_xlabel("recall: share of the frauds that raise an alarm")
    axes.set_ylabel("precision: share of the alarms that are fraud")
    return figure


def _calibration(scores: NDArray[np.float64], labels: NDArray[np.int64], evaluation: Evaluation) -> Figure:
    groups = calibration(scores, labels)
    figure, axes = _sheet(f"Calibration: Brier score {evaluation.brier:.4f}", evaluation)
    predicted, observed, low, high, rows = (column.to_numpy() for _, column in groups.items())
    floor = 10.0 ** np.floor(np.log10(max(predicted.min(), 1e-6)))
    # On a logarithmic axis a group without fraud has no place; it sits on the floor, open.
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
    for place, top, count in zip(predicted, high, rows, strict=True):
        axes.annotate(
            f"{count:,}", (place, top), xytext=(0, 7), textcoords="offset points",
            ha="center", fontsize=8, color=_QUIET,
        )  # fmt: skip
    threshold = evaluation.threshold
    axes.axvline(threshold, color=_ALARM, linewidth=1.2, label=f"threshold {threshold:.3f}")
    axes.set(xscale="log", yscale="log", xlim=(floor, 1.25), ylim=(floor, 1.8))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{share * 100:.6g} %")
    axes.set_xlabel("predicted fraud probability (mean of a group; its number of rows above it)")
    axes.set_ylabel("observed share of fraud")
    return figure


def _sheet(title: str, evaluation: Evaluation) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=_INK)
    axes.text(
        0, 1.02, f"the newest {evaluation.rows:,} transactions, {evaluation.frauds:,} of them fraud,"
        " none of them seen in training", transform=axes.transAxes, fontsize=9, color=_QUIET,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes
