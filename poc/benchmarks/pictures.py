"""The benchmarks' documents as pictures: rows a second, and the cost of a read by the number of views."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from poc.comparison.picture import BLACK, COLOURS
from poc.output import replacing

GRID = "#dddddd"
BAR = 0.8

Document = Mapping[str, Any]


def draw_materialization(document: Document, path: Path) -> None:
    """Draw the rows a second of every way, a panel a size, as bars with their figures; write PNG.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    results = document["results"]
    sizes = list(dict.fromkeys(item["rows"] for item in results))
    # One colour a method; the driver is in the label.
    colours = dict(zip(dict.fromkeys(item["method"] for item in results), COLOURS, strict=False))
    counts = [sum(item["rows"] == size for item in results) for size in sizes]
    figure = _figure(9, 0.9 + 0.35 * sum(counts) + 0.45 * len(sizes))
    panels = figure.subplots(len(sizes), 1, sharex=True, squeeze=False, height_ratios=counts)[:, 0]
    for panel, size in zip(panels, sizes, strict=True):
        measured = [item for item in results if item["rows"] == size]
        for place, item in enumerate(measured):
            panel.barh(place, item["rows_per_second"], BAR, color=colours[item["method"]])
            faster = item["times_as_fast_as_stock"]
            label = f"{item['rows_per_second']:,} rows/s"
            if faster is not None and item["method"] != "stock":
                label += f", {faster:.1f} times stock"
            panel.annotate(
                f"{label}, {item['median_seconds']:.1f} s",
                (item["rows_per_second"], place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=BLACK,
            )
        panel.set_yticks(
            range(len(measured)), [f"{item['method']}, {item['driver']}" for item in measured], fontsize=8
        )
        panel.invert_yaxis()
        panel.set_title(f"{size:,} rows", fontsize=10, loc="left")
        _clean(panel, "x")
    # Room for the longest label.
    panels[-1].set_xlim(0, 1.5 * max(item["rows_per_second"] for item in results))
    panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    panels[-1].set_xlabel("Rows brought online a second")
    with replacing(path) as draft:
        figure.savefig(draft, format="png")


def draw_registry(document: Document, path: Path) -> None:
    """Draw the time of a read over the number of views, a line a way to read; write PNG.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    results = document["results"]
    figure = _figure(9, 3.6)
    panel = figure.subplots()
    titles = dict.fromkeys(item["title"] for item in results)
    lines = {
        title: [(item["views"], item["p50_ms"]) for item in results if item["title"] == title]
        for title in titles
    }
    for (title, points), colour in zip(lines.items(), COLOURS, strict=False):
        panel.plot(*zip(*points, strict=True), "o-", color=colour, linewidth=1.8, label=title)
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    panel.set_xticks(list(dict.fromkeys(item["views"] for item in results)))
    panel.set_xlabel("Feature views in the registry")
    panel.set_ylabel("P50 of one read, ms (logarithmic)")
    # Two of the lines run close together: a legend in the lines' order, where labels would meet.
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    _clean(panel, "both")
    with replacing(path) as draft:
        figure.savefig(draft, format="png")


def _figure(width: float, height: float) -> Figure:
    # Not pyplot: it would pick a backend and keep global state.
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _clean(panel: Axes, lines: Literal["x", "both"]) -> None:
    panel.grid(axis=lines, color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
