"""docs/performance.md and its pictures, made of the results in docs/benchmarks; nothing is typed by hand.

A target is what was promised of a piece, "Feast as fast as direct Cassandra", held to what was measured.
"""

import json
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import eq, ge, le, lt
from pathlib import Path
from typing import Any

from poc.errors import ResultsMissing
from poc.measurement import pictures, tables
from poc.measurement.comparison import BASELINE, DIRECT_IN
from poc.measurement.tables import Document
from poc.output import markdown_table

RESULTS = Path("docs/benchmarks")
PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
WIDTH = 110
# Its prose, a section a benchmark; braces name what stands in the document's meta.
TEMPLATE = Path(__file__).with_name("performance.md")
DRAWN = {
    "comparison": pictures.draw_comparison,
    "materialization": pictures.draw_materialization,
    "registry": pictures.draw_registry,
}

# Method, batch size, what is compared, with which method, and how many times as long it may take.
READS = (
    ("feast-rows", 1, "mean", BASELINE, 1.12),
    ("feast-rows", 1, "p50", BASELINE, 1.10),
    ("feast-rows", 1, "p99", BASELINE, 1.30),
    ("feast-rows", 10, "p50", BASELINE, 1.00),
    ("feast-rows", 10, "p50", DIRECT_IN, 1.15),
    ("feast-rows", 100, "p50", BASELINE, 0.75),
    ("feast-rows", 100, "p50", DIRECT_IN, 1.15),
    ("feast", 1, "p50", BASELINE, 1.25),
    ("feast", 10, "p50", BASELINE, 1.30),
    ("feast", 100, "p50", BASELINE, 1.30),
    ("feast-server", 1, "p50", BASELINE, 3.00),
)
# Method, driver, and how many times as fast as Feast's own engine it is to be.
MATERIALIZATION_ROWS = 10_000
MATERIALIZATION = (
    ("arrow-rows", "acsylla", 25),
    ("arrow-rows", "cassandra-driver", 6),
    ("arrow-stock-layout", "acsylla", 10),
    ("arrow-stock-layout", "cassandra-driver", 4),
)
MANY_ROWS = 1_000_000
MOST_MIB = 600
# Rows a second at the largest size, of those at the smallest, from which on the time counts as linear.
LINEAR = 0.8
# A full run fills a generation, holds it to the source and switches to it: what that may cost.
GENERATION, GENERATION_MIB = 0.9, 450
SCORING_TIMES = 50
VIEWS, VIEWS_RATIO = 200, 1.05
# Of the direct server's predictions a second, on the stock layout and on the row store.
SERVING_STOCK, SERVING_ROWS = 0.88, 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """One promise: what was to be reached, what was, and whether it holds; None if it was not measured."""

    promise: str
    measured: str
    met: bool | None

    @property
    def verdict(self) -> str:
        """The verdict in a word."""
        return "not measured" if self.met is None else "✓ met" if self.met else "✗ missed"


def read_results(folder: Path = RESULTS) -> dict[str, Document]:
    """Return the results in `folder`, by the benchmark's name; `ResultsMissing` if there are none."""
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
    facts = {"tables": markdown_table(("promised", "measured", "verdict"), targets, aligned=True)}
    parts = [_section(opening, {}), _section(promised, facts)]
    for (name, (table, _)), section in zip(SECTIONS.items(), sections, strict=True):
        if name in documents:
            made = {"tables": table(documents[name]), "setting": tables.setting_line(documents[name])}
            parts.append(_section(section, documents[name]["meta"] | made))
    return "\n\n".join(parts) + "\n"


def draw_pictures(documents: Mapping[str, Document]) -> list[Path]:
    """Draw the picture of each benchmark that has one, and return where they are."""
    paths = {name: IMAGES / f"{name}.png" for name in DRAWN if name in documents}
    for name, path in paths.items():
        DRAWN[name](documents[name], path)
    return list(paths.values())


def wrapped(text: str) -> str:
    """Break prose into lines."""
    # What is code stays on one line: its spaces are not spaces while lines are broken.
    joined = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.fill(joined, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _section(template: str, facts: Mapping[str, Any]) -> str:
    """Put the facts in, and break what is prose into lines."""
    blocks = ((block, block.format_map(facts)) for block in template.strip().split("\n\n"))
    return "\n\n".join(
        made if block.startswith(("#", "{tables}", "![")) else wrapped(made) for block, made in blocks
    )


def all_targets(documents: Mapping[str, Document]) -> list[Target]:
    """Compare all targets with `documents`, by the benchmark's name; without one they are not measured."""
    return [target for name, (_, judge) in SECTIONS.items() for target in judge(documents.get(name, {}))]


def _reads(document: Document) -> Iterator[Target]:
    ratios = {(item["method"], item["batch_size"]): item for item in document.get("ratios", ())}
    for method, size, statistic, baseline, most in READS:
        measured = ratios.get((method, size))
        other = {statistic: 1.0} if baseline == BASELINE else ratios.get((baseline, size))
        value = None if measured is None or other is None else measured[statistic] / other[statistic]
        interval = ""
        if measured is not None and baseline == BASELINE and statistic == "p50":
            interval = " ({:.2f} to {:.2f})".format(*measured["p50_ci95"])
        promise = f"`{method}` at n={size}: {statistic.replace('p', 'P')} at most {most:.2f} of `{baseline}`"
        yield _target(promise, value, le, most, "{:.2f}" + interval)


def _materialization(document: Document) -> Iterator[Target]:
    results = {(item["method"], item["driver"], item["rows"]): item for item in document.get("results", ())}
    for method, driver, least in MATERIALIZATION:
        faster = results.get((method, driver, MATERIALIZATION_ROWS), {}).get("times_as_fast_as_stock")
        promise = f"`{method}` with {driver}: at least {least} times as fast as `stock`"
        yield _target(f"{MATERIALIZATION_ROWS:,} rows, {promise}", faster, ge, least, "{:.1f} times")
    for driver in ("acsylla", "cassandra-driver"):
        few = results.get(("arrow-rows", driver, MATERIALIZATION_ROWS), {})
        many = results.get(("arrow-rows", driver, MANY_ROWS), {})
        generation = results.get(("arrow-rows-generation", driver, MANY_ROWS), {})
        linear = f"linear, at least {LINEAR} of the rows/s at {MATERIALIZATION_ROWS:,}"
        cost = f"at least {GENERATION} of the rows/s without"
        for way, measured, other, promise, share, most in (
            ("`arrow-rows`", many, few, linear, LINEAR, MOST_MIB),
            ("a new generation", generation, many, cost, GENERATION, GENERATION_MIB),
        ):
            way = f"{MANY_ROWS:,} rows, {way} with {driver}"
            speed = measured["rows_per_second"] / other["rows_per_second"] if measured and other else None
            yield _target(f"{way}: {promise}", speed, ge, share)
            memory = f"{way}: peak memory under {most} MiB"
            yield _target(memory, measured.get("peak_mib"), lt, most, "{:,} MiB")


def _serving(document: Document) -> Iterator[Target]:
    """Judge the Feast server's throughput, for each number of workers that was measured."""
    of_direct = "of the direct server's predictions a second"
    stock = document.get("meta", {}).get("online_store") == "cassandra"
    ratios = document.get("ratios", ())
    for item in ratios:
        least = SERVING_STOCK if stock and item["server"] == "feast" else SERVING_ROWS
        workers = "1 worker" if item["workers"] == 1 else f"{item['workers']} workers"
        promise = f"server `{item['server']}`, {workers}: at least {least:.2f} {of_direct}"
        rounds = f" ({min(item['rounds']):.2f} to {max(item['rounds']):.2f})"
        yield _target(promise, item["throughput"], ge, least, "{:.2f}" + rounds)
    if not ratios:
        for server, least in (("feast", SERVING_STOCK), ("feast-rows", SERVING_ROWS)):
            yield Target(f"server `{server}`: at least {least:.2f} {of_direct}", "", None)


def _rates(document: Document) -> Iterator[Target]:
    """Judge what a server does with too much; the rate itself is the machine's."""
    shed = "past its highest rate 503 with Retry-After, no other error"
    results = document.get("results", ())
    tried = bool(results) and all(item["rate"] and item["past_shed_per_second"] for item in results)
    errors = sum(item["past_other_errors"] for item in results) if tried else None
    yield _target(f"each server: {shed}", errors, eq, 0, "{} other errors")


def _scoring(document: Document) -> Iterator[Target]:
    results = {item["title"].split()[0]: item for item in document.get("results", ())}
    onnx = results.get("ONNX", {})
    fast = f"one row: ONNX at most 1/{SCORING_TIMES} of the scikit-learn pipeline"
    yield _target(fast, 1 / onnx["ratio"] if onnx else None, ge, SCORING_TIMES, "1/{:.0f}")
    yield _target("no decision flipped by ONNX", onnx.get("flips"), eq, 0, f"{{}} of {onnx.get('rows', 0):,}")


def _registry(document: Document) -> Iterator[Target]:
    results = document.get("results", ())
    ratios = {(item["title"].split()[-1], item["views"]): item["ratio"] for item in results}
    promise = f"a read with {VIEWS} views in the registry at most {VIEWS_RATIO:.2f} of one with 1"
    yield _target(f"resolved call: {promise}", ratios.get(("resolved", VIEWS)), le, VIEWS_RATIO)


def _target(
    promise: str, value: Any, holds: Callable[[Any, Any], bool], bound: float, form: str = "{:.2f}"
) -> Target:
    if value is None:
        return Target(promise, "", None)
    return Target(promise, form.format(value), holds(value, bound))


# By the name of each benchmark's file of results: its table, and what judges it. In the order of TEMPLATE.
SECTIONS = {
    "comparison": (tables.read_tables, _reads),
    "materialization": (tables.materialization_table, _materialization),
    "serving": (tables.serving_table, _serving),
    "rates": (tables.rates_table, _rates),
    "scoring": (tables.scoring_table, _scoring),
    "registry": (tables.registry_table, _registry),
}
