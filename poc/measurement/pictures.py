"""Pictures of measurements, drawn from their JSON: one can be made again long after the measurement."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

from poc.measurement.tables import GUIDE_P99_MS, of_size, sizes_of, titles_of, transactions
from poc.output import replacing

# Okabe and Ito's palette, told apart with any colour vision; its yellow is too faint for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00", "#882255")
GREY, BLACK, GRID = "#666666", "#222222", "#dddddd"
LEGEND: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5), "frameon": False}


@contextmanager
def _figure(path: Path, height: float) -> Iterator[Figure]:
    """Yield an empty figure, and write it as PNG when the block ends, whatever the file's ending."""
    # Not pyplot: it would pick a backend and keep global state.
    figure = Figure(figsize=(9, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    yield figure
    with replacing(path) as draft:
        figure.savefig(draft, format="png")


def _finish_panel(panel: Axes, grid: Literal["x", "both"] = "both", title: str = "") -> None:
    panel.grid(axis=grid, color=GRID, linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.set_title(title, fontsize=10, loc="left")


def draw_comparison(document: Mapping[str, Any], path: Path) -> None:
    """Draw which share of the reads took at most so long: one panel a batch size over one common axis."""
    curves, methods = document["curves"], document["methods"]
    sizes = sizes_of(document)
    with _figure(path, 1.4 + max(2.1, 0.42 * len(methods)) * len(sizes)) as figure:
        panels = figure.subplots(len(sizes), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for panel, size in zip(panels, sizes, strict=True):
            _draw_curves(panel, document, size)
        lowest, highest = min(item["ms"][0] for item in curves), max(item["ms"][-1] for item in curves)
        axis = panels[-1]
        ticks = [0, 0.25, 0.5, 0.75, 1]
        axis.set(xscale="log", xlim=(lowest / 1.15, highest * 1.15), ylim=(0, 1.05), yticks=ticks)
        axis.set_xlabel("Latency of one read, ms (logarithmic); dots are P99s")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(PercentFormatter(1))
        figure.supylabel("Share of reads that took at most this long", fontsize=10)
        title = "Reading features from Cassandra {cassandra}, with and without feast {feast}"
        title = title.format_map(document["meta"]["versions"])
        times = f"times: ratio of medians to {methods[0]['title']}, with 95 % interval"
        figure.suptitle(f"{title}\n{times}", fontsize=11, x=0.02, ha="left")


def _draw_curves(panel: Axes, document: Mapping[str, Any], size: int) -> None:
    results = of_size(document["results"], size)
    # One colour a method in all panels.
    colours = dict(zip(titles_of(document), COLOURS, strict=False))
    lines = {}
    for name, item in of_size(document["curves"], size).items():
        share = np.linspace(0, 1, len(item["ms"]))
        [lines[name]] = panel.step(item["ms"], share, where="post", color=colours[name], linewidth=1.6)
        panel.plot([results[name]["p99_ms"]], [0.99], "o", color=colours[name], markersize=5)
    if size == 1:
        panel.axvline(GUIDE_P99_MS, color=GREY, linewidth=1, linestyle="--", zorder=1)
        where: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "fontsize": 8}
        panel.annotate(f"the guide: P99 <{GUIDE_P99_MS:.0f} ms", (GUIDE_P99_MS, 0.06), color=GREY, **where)
    # Top to bottom as the curves go left to right.
    names = sorted(lines, key=lambda name: results[name]["p50_ms"])
    labels = curve_labels(document, size)
    font = 9 if len(names) <= 4 else 8
    panel.legend([lines[name] for name in names], [labels[name] for name in names], fontsize=font, **LEGEND)
    _finish_panel(panel, title=f"{transactions(size)} a read")


def curve_labels(document: Mapping[str, Any], size: int) -> dict[str, str]:
    """Return what is written beside the curve of each method at a batch size, by the method's name."""
    titles = titles_of(document)
    times = {
        name: ": {:.2f} times ({:.2f} to {:.2f})".format(item["p50"], *item["p50_ci95"])
        for name, item in of_size(document["ratios"], size).items()
    }
    return {
        name: f"{titles[name]}{times.get(name, '')}\nP50 {item['p50_ms']:.1f} ms, P99 {item['p99_ms']:.1f} ms"
        for name, item in of_size(document["results"], size).items()
    }


def draw_materialization(document: Mapping[str, Any], path: Path) -> None:
    """Draw the rows a second of every way, a panel a size, as bars with their figures."""
    by_size: dict[int, list[dict[str, Any]]] = {}
    for item in document["results"]:
        by_size.setdefault(item["rows"], []).append(item)
    # One colour a method; the driver is in the label.
    colours = dict(zip(dict.fromkeys(item["method"] for item in document["results"]), COLOURS, strict=False))
    counts = [len(measured) for measured in by_size.values()]
    label: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    with _figure(path, 0.9 + 0.35 * sum(counts) + 0.45 * len(counts)) as figure:
        panels = figure.subplots(len(counts), 1, sharex=True, squeeze=False, height_ratios=counts)[:, 0]
        for panel, (size, measured) in zip(panels, by_size.items(), strict=True):
            for place, item in enumerate(measured):
                speed, faster = item["rows_per_second"], item["times_as_fast_as_stock"]
                panel.barh(place, speed, color=colours[item["method"]])
                times = "" if faster is None or item["method"] == "stock" else f", {faster:.1f} times stock"
                text = f"{speed:,} rows/s{times}, {item['median_seconds']:.1f} s"
                panel.annotate(text, (speed, place), color=BLACK, **label)
            names = [f"{item['method']}, {item['driver']}" for item in measured]
            panel.set_yticks(range(len(measured)), names, fontsize=8)
            panel.invert_yaxis()
            panel.set_axisbelow(True)
            _finish_panel(panel, "x", f"{size:,} rows")
        # Room for the longest label.
        widest = 1.5 * max(item["rows_per_second"] for item in document["results"])
        panels[-1].set(xlim=(0, widest), xlabel="Rows brought online a second")
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def draw_registry(document: Mapping[str, Any], path: Path) -> None:
    """Draw the time of a read over the number of views, a line a way to read."""
    lines: dict[str, dict[int, float]] = {}
    for item in document["results"]:
        lines.setdefault(item["title"], {})[item["views"]] = item["p50_ms"]
    with _figure(path, 3.6) as figure:
        panel = figure.subplots()
        for (title, points), colour in zip(lines.items(), COLOURS, strict=False):
            panel.plot([*points], [*points.values()], "o-", color=colour, linewidth=1.8, label=title)
        ticks = list(dict.fromkeys(item["views"] for item in document["results"]))
        labels = {"xlabel": "Feature views in the registry", "ylabel": "P50 of one read, ms (logarithmic)"}
        panel.set(yscale="log", xticks=ticks, **labels)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        # Two of the lines run close together: a legend in the lines' order, where labels would meet.
        panel.legend(fontsize=9, **LEGEND)
        panel.set_axisbelow(True)
        _finish_panel(panel)
