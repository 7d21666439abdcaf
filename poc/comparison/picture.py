"""A comparison as a picture: for each batch size, which share of the reads took at most so long."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from poc.comparison.comparison import BatchResult, Comparison
from poc.comparison.methods import Method
from poc.comparison.output import replacing
from poc.comparison.report import GUIDE_P99_MS

# Okabe and Ito's palette, told apart with any colour vision; its yellow is too faint for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#666666"


def draw(comparison: Comparison, path: Path) -> None:
    """Draw one panel a batch size over one common axis, and write PNG, whatever the file's ending.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    results = comparison.results
    # Not pyplot: it would pick a backend and keep global state.
    figure = Figure(figsize=(9, 1.4 + 2.1 * len(results)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(results), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for panel, result in zip(panels, results, strict=True):
        _draw_panel(panel, comparison.methods, result)
    _set_axes(panels[-1], results)
    figure.supylabel("Share of reads that took at most this long", fontsize=10)
    versions = comparison.versions
    figure.suptitle(
        f"Reading features from Cassandra {versions.cassandra}, with and without feast {versions.feast}\n"
        f"times: ratio of medians to {comparison.methods[0].title}, with 95 % interval",
        fontsize=11,
        x=0.02,
        ha="left",
    )
    with replacing(path) as draft:
        figure.savefig(draft, format="png")


def _set_axes(lowest_panel: Axes, results: Sequence[BatchResult]) -> None:
    latencies_ms = [taken / 1e6 for result in results for taken in result.measurement.nanoseconds.values()]
    lowest_panel.set_xscale("log")
    lowest = min(float(taken.min()) for taken in latencies_ms)
    highest = max(float(taken.max()) for taken in latencies_ms)
    lowest_panel.set_xlim(lowest / 1.15, highest * 1.15)
    lowest_panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    lowest_panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    lowest_panel.xaxis.set_minor_formatter(NullFormatter())
    lowest_panel.set_xlabel("Latency of one read, ms (logarithmic); dots are P99s")
    lowest_panel.set_ylim(0, 1.05)
    lowest_panel.yaxis.set_major_formatter(PercentFormatter(1))
    lowest_panel.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _draw_panel(panel: Axes, methods: Sequence[Method], result: BatchResult) -> None:
    for method, colour in zip(methods, COLOURS, strict=False):
        ordered = np.sort(result.measurement.nanoseconds[method.name]) / 1e6
        share = np.arange(1, len(ordered) + 1) / len(ordered)
        panel.step(ordered, share, where="post", color=colour, linewidth=1.8)
        panel.plot([result.summaries[method.name].p99_ms], [0.99], "o", color=colour, markersize=5)
    if result.batch_size == 1:
        _mark_target(panel)
    _label_curves(panel, methods, result)
    panel.grid(color="#dddddd", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    what = "1 transaction" if result.batch_size == 1 else f"{result.batch_size:,} transactions"
    panel.set_title(f"{what} a read", fontsize=10, loc="left")


def _mark_target(panel: Axes) -> None:
    panel.axvline(GUIDE_P99_MS, color=GREY, linewidth=1, linestyle="--", zorder=1)
    panel.annotate(
        f"the guide: P99 <{GUIDE_P99_MS:.0f} ms",
        (GUIDE_P99_MS, 0.06),
        xytext=(4, 0),
        textcoords="offset points",
        color=GREY,
        fontsize=8,
    )


def _label_curves(panel: Axes, methods: Sequence[Method], result: BatchResult) -> None:
    """Name the curves right of the panel, in their colours; top to bottom as the curves go left to right."""
    colours = dict(zip((method.name for method in methods), COLOURS, strict=False))
    fastest_first = sorted(methods, key=lambda method: result.summaries[method.name].p50_ms)
    for place, method in enumerate(fastest_first):
        panel.annotate(
            _label(method, result),
            (1, 1 - (place + 0.5) / len(methods)),
            xycoords="axes fraction",
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            color=colours[method.name],
            fontsize=9 if len(methods) <= 4 else 7.5,
        )


def _label(method: Method, result: BatchResult) -> str:
    summary = result.summaries[method.name]
    lines = [method.title, f"P50 {summary.p50_ms:.1f} ms, P99 {summary.p99_ms:.1f} ms"]
    ratio = result.ratios.get(method.name)
    if ratio is not None:
        lines[0] += f": {ratio.p50:.2f} times ({ratio.p50_low:.2f} to {ratio.p50_high:.2f})"
    return "\n".join(lines)
