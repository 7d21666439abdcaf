"""docs/performance.md and its pictures, made of the results in docs/benchmarks; nothing is typed by hand."""

import json
import re
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter, NullFormatter

from poc.benchmarks import report
from poc.benchmarks.report import Document
from poc.benchmarks.targets import all_targets
from poc.comparison.picture import BLACK, COLOURS, draw, drawn, finish_panel
from poc.comparison.report import markdown_table
from poc.errors import ResultsMissing

RESULTS = Path("docs/benchmarks")
PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
WIDTH = 110
# Its prose, a section a benchmark; braces name what stands in the document's meta.
TEMPLATE = Path(__file__).with_name("performance.md")
# The document of each benchmark's section as Markdown, by the name of its file of results.
SECTIONS = {
    "comparison": report.read_tables,
    "materialization": report.materialization_table,
    "serving": report.serving_table,
    "scoring": report.scoring_table,
    "registry": report.registry_table,
}


def read_results(folder: Path = RESULTS) -> dict[str, Document]:
    """Read the results in `folder`, by the benchmark's name.

    Raises:
        ResultsMissing: there are none.
    """
    files = {name: folder / f"{name}.json" for name in (*SECTIONS, "storage")}
    documents = {name: json.loads(path.read_text()) for name, path in files.items() if path.is_file()}
    if not documents:
        raise ResultsMissing(folder)
    return documents


def take_results(folder: Path) -> list[str]:
    """Copy the results in `folder` to where the page is made from; return which there were."""
    names = list(read_results(folder))
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(folder / f"{name}.json", RESULTS)
    return names


def page(documents: Mapping[str, Document]) -> str:
    """Write the page; a benchmark without results has no section."""
    opening, promised, *sections = re.split(r"\n(?=## )", TEMPLATE.read_text())
    targets = [(target.promise, target.measured, target.verdict) for target in all_targets(documents)]
    facts = {"tables": markdown_table(("promised", "measured", "verdict"), targets)}
    parts = [_written(opening, {}), _written(promised, facts)]
    for (name, tables), section in zip(SECTIONS.items(), sections, strict=True):
        if name in documents:
            document = documents[name]
            made = {"tables": tables(document), "setting": report.setting_line(document)}
            parts.append(_written(section, document["meta"] | made))
    return "\n\n".join(parts) + "\n"


def draw_pictures(documents: Mapping[str, Document]) -> list[Path]:
    """Draw the picture of each benchmark that has one; return where they are.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    drawing = {"comparison": draw, "materialization": _draw_materialization, "registry": _draw_registry}
    paths = {name: IMAGES / f"{name}.png" for name in drawing if name in documents}
    for name, path in paths.items():
        drawing[name](documents[name], path)
    return list(paths.values())


def filled(text: str) -> str:
    """Break prose into lines."""
    # What is code stays on one line: its spaces are not spaces while lines are broken.
    joined = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.fill(joined, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _written(section: str, facts: Mapping[str, Any]) -> str:
    """Put the facts in, and break what is prose into lines."""
    blocks = ((block, block.format_map(facts)) for block in section.strip().split("\n\n"))
    return "\n\n".join(
        made if block.startswith(("#", "{tables}", "![")) else filled(made) for block, made in blocks
    )


def _draw_materialization(document: Document, path: Path) -> None:
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


def _draw_registry(document: Document, path: Path) -> None:
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
