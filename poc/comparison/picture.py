"""Measurements as pictures, and a comparison as one: which share of the reads took at most so long.

Drawn from the JSON document, so that a picture can be made again long after the measurement.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from poc.comparison.report import GUIDE_P99_MS, transactions
from poc.output import replacing

# Okabe and Ito's palette, told apart with any colour vision; its yellow is too faint for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00", "#882255")
GREY, BLACK, GRID = "#666666", "#222222", "#dddddd"


@dataclass(frozen=True, slots=True)
class Curve:
    """The latencies of one method at one batch size.

    Attributes:
        ms: percentiles 0 to 100.
        ratio: median over the baseline's, with its 95 % interval; None for the baseline.
    """

    title: str
    colour: str
    ms: Sequence[float]
    p50_ms: float
    p99_ms: float
    ratio: tuple[float, float, float] | None

    @property
    def label(self) -> str:
        """What is written beside it."""
        times = "" if self.ratio is None else ": {:.2f} times ({:.2f} to {:.2f})".format(*self.ratio)
        return f"{self.title}{times}\nP50 {self.p50_ms:.1f} ms, P99 {self.p99_ms:.1f} ms"


@contextmanager
def drawn(path: Path, height: float) -> Iterator[Figure]:
    """Give an empty figure, and write it as PNG when the block ends, whatever the file's ending.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    # Not pyplot: it would pick a backend and keep global state.
    figure = Figure(figsize=(9, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with replacing(path) as draft:
        figure.savefig(draft, format="png")


def finish_panel(panel: Axes, grid: Literal["x", "both"] = "both", title: str = "") -> None:
    """Take the frame's upper corner away, and draw the grid's lines and a title."""
    panel.grid(axis=grid, color=GRID, linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(title, fontsize=10, loc="left")


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Draw a comparison's document: one panel a batch size over one common axis."""
    panels = curves_by_batch_size(document)
    height = max(2.1, 0.42 * len(document["methods"]))
    with drawn(path, 1.4 + height * len(panels)) as figure:
        axes = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for panel, (batch_size, curves) in zip(axes, panels.items(), strict=True):
            _draw_panel(panel, batch_size, curves)
        _set_axes(axes[-1], [curve for curves in panels.values() for curve in curves])
        figure.supylabel("Share of reads that took at most this long", fontsize=10)
        title = "Reading features from Cassandra {cassandra}, with and without feast {feast}"
        title = title.format_map(document["meta"]["versions"])
        times = f"times: ratio of medians to {document['methods'][0]['title']}, with 95 % interval"
        figure.suptitle(f"{title}\n{times}", fontsize=11, x=0.02, ha="left")


def curves_by_batch_size(document: Mapping[str, Any]) -> dict[int, list[Curve]]:
    """Read the curves of each batch size from the document, in the methods' order."""
    results = {(item["method"], item["batch_size"]): item for item in document["results"]}
    ratios = {(item["method"], item["batch_size"]): item for item in document["ratios"]}
    titles = {item["name"]: item["title"] for item in document["methods"]}
    colours = dict(zip(titles, COLOURS, strict=False))
    panels: dict[int, list[Curve]] = {}
    for item in document["curves"]:
        name, size = item["method"], item["batch_size"]
        result, found = results[name, size], ratios.get((name, size))
        ratio = None if found is None else (found["p50"], *found["p50_ci95"])
        curve = Curve(titles[name], colours[name], item["ms"], result["p50_ms"], result["p99_ms"], ratio)
        panels.setdefault(size, []).append(curve)
    return panels


def _set_axes(lowest_panel: Axes, curves: Sequence[Curve]) -> None:
    lowest_panel.set_xscale("log")
    lowest = min(curve.ms[0] for curve in curves)
    highest = max(curve.ms[-1] for curve in curves)
    lowest_panel.set_xlim(lowest / 1.15, highest * 1.15)
    lowest_panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    lowest_panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    lowest_panel.xaxis.set_minor_formatter(NullFormatter())
    lowest_panel.set_xlabel("Latency of one read, ms (logarithmic); dots are P99s")
    lowest_panel.set_ylim(0, 1.05)
    lowest_panel.yaxis.set_major_formatter(PercentFormatter(1))
    lowest_panel.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _draw_panel(panel: Axes, batch_size: int, curves: Sequence[Curve]) -> None:
    for curve in curves:
        share = [percent / (len(curve.ms) - 1) for percent in range(len(curve.ms))]
        panel.step(curve.ms, share, where="post", color=curve.colour, linewidth=1.6)
        panel.plot([curve.p99_ms], [0.99], "o", color=curve.colour, markersize=5)
    if batch_size == 1:
        panel.axvline(GUIDE_P99_MS, color=GREY, linewidth=1, linestyle="--", zorder=1)
        where: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "fontsize": 8}
        panel.annotate(f"the guide: P99 <{GUIDE_P99_MS:.0f} ms", (GUIDE_P99_MS, 0.06), color=GREY, **where)
    _label_curves(panel, curves)
    finish_panel(panel, title=f"{transactions(batch_size)} a read")


def _label_curves(panel: Axes, curves: Sequence[Curve]) -> None:
    """Name the curves right of the panel; top to bottom as the curves go left to right."""
    line: dict[str, Any] = {
        "linewidth": 4,
        "solid_capstyle": "butt",
        "transform": panel.transAxes,
        "clip_on": False,
    }
    # Not in the curve's colour: some of them are too light to be read.
    text: dict[str, Any] = {"va": "center", "color": BLACK, "fontsize": 9 if len(curves) <= 4 else 8}
    for place, curve in enumerate(sorted(curves, key=lambda curve: curve.p50_ms)):
        height = 1 - (place + 0.5) / len(curves)
        panel.plot([1.015, 1.045], [height, height], color=curve.colour, **line)
        panel.annotate(curve.label, (1.06, height), xycoords="axes fraction", **text)
