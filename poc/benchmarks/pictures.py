"""The benchmarks' documents as pictures: rows a second, and the cost of a read by the number of views."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, NullFormatter

from poc.comparison.picture import BLACK, COLOURS, drawn, finish_panel


def draw_materialization(document: Mapping[str, Any], path: Path) -> None:
    """Draw the rows a second of every way, a panel a size, as bars with their figures."""
    by_size: dict[int, list[dict[str, Any]]] = {}
    for item in document["results"]:
        by_size.setdefault(item["rows"], []).append(item)
    # One colour a method; the driver is in the label.
    colours = dict(zip(dict.fromkeys(item["method"] for item in document["results"]), COLOURS, strict=False))
    counts = [len(measured) for measured in by_size.values()]
    label: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
    with drawn(path, 0.9 + 0.35 * sum(counts) + 0.45 * len(counts)) as figure:
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
            finish_panel(panel, "x", f"{size:,} rows")
        # Room for the longest label.
        panels[-1].set_xlim(0, 1.5 * max(item["rows_per_second"] for item in document["results"]))
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        panels[-1].set_xlabel("Rows brought online a second")


def draw_registry(document: Mapping[str, Any], path: Path) -> None:
    """Draw the time of a read over the number of views, a line a way to read."""
    lines: dict[str, dict[int, float]] = {}
    for item in document["results"]:
        lines.setdefault(item["title"], {})[item["views"]] = item["p50_ms"]
    with drawn(path, 3.6) as figure:
        panel = figure.subplots()
        for (title, points), colour in zip(lines.items(), COLOURS, strict=False):
            panel.plot([*points], [*points.values()], "o-", color=colour, linewidth=1.8, label=title)
        panel.set_yscale("log")
        panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.set_xticks(list(dict.fromkeys(item["views"] for item in document["results"])))
        panel.set_xlabel("Feature views in the registry")
        panel.set_ylabel("P50 of one read, ms (logarithmic)")
        # Two of the lines run close together: a legend in the lines' order, where labels would meet.
        panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
        panel.set_axisbelow(True)
        finish_panel(panel)
