"""A comparison as the guide's table with true numbers, ratios, promises kept or not; and as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from poc.comparison.comparison import BatchResult, Comparison
from poc.comparison.methods import BASELINE_READ, GUIDES_CALL, Method
from poc.comparison.statistics import Nanoseconds, Ratio, Summary

# The guide's "Expected Results" and "Key Metrics", all of them about single reads.
GUIDE_FEAST_MS = 2.8
GUIDE_DIRECT_MS = 2.5
GUIDE_P99_MS = 5.0
GUIDE_RATIO = round(GUIDE_FEAST_MS / GUIDE_DIRECT_MS, 2)

# A P99 that rests on this few reads is said to.
WEAK_P99 = 5

COLUMNS = ("Method", "Avg Latency", "P50", "P95", "P99", "Features")


def report(comparison: Comparison) -> str:
    """Write the whole report, as Markdown that also reads well in a terminal."""
    parts = [_setting(comparison)]
    for result in comparison.results:
        requests = next(iter(result.summaries.values())).requests
        parts.append(f"### {transactions(result.batch_size)} a read, {requests:,} reads each way")
        parts.append(_table(comparison.methods, result))
        parts.append("\n".join(_ratio_lines(comparison, result)))
    parts.append("\n".join(_promise_lines(comparison)))
    return "\n\n".join(parts)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out `rows` under `columns`, as wide as their widest cells: it reads well in a terminal, too."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(columns), rule, *map(line, rows)])


def transactions(count: int) -> str:
    """Say how many there are."""
    return "1 transaction" if count == 1 else f"{count:,} transactions"


def document(comparison: Comparison) -> dict[str, Any]:
    """Return `meta`, `methods`, `results`, `ratios` and `curves` as plain values.

    `statistics.percentile` defines percentiles. A curve is those from 0 to 100, in milliseconds.
    """
    request, results = comparison.request, comparison.results
    return {
        "meta": {
            "time": comparison.time.isoformat(timespec="seconds"),
            "versions": asdict(comparison.versions),
            "machine": asdict(comparison.machine),
            "requests": request.requests,
            "seed": request.seed,
            "consistency": comparison.consistency,
            "baseline": BASELINE_READ,
        },
        "methods": [{"name": method.name, "title": method.title} for method in comparison.methods],
        "results": [
            # What is finer than microseconds is the clock's and Python's own.
            {"method": name, "batch_size": result.batch_size, **_rounded(summary, 3)}
            for result in results
            for name, summary in result.summaries.items()
        ],
        "ratios": [
            {"method": name, "baseline": comparison.methods[0].name, "batch_size": result.batch_size}
            | _with_interval(**_rounded(ratio, 4))
            for result in results
            for name, ratio in result.ratios.items()
        ],
        "curves": [
            {"method": name, "batch_size": result.batch_size, "ms": _percentiles(taken)}
            for result in results
            for name, taken in result.measurement.nanoseconds.items()
        ],
    }


def _rounded(numbers: Summary | Ratio, digits: int) -> dict[str, float]:
    return {name: round(value, digits) for name, value in asdict(numbers).items()}


def _with_interval(mean: float, p50: float, p50_low: float, p50_high: float, p99: float) -> dict[str, Any]:
    return {"mean": mean, "p50": p50, "p50_ci95": [p50_low, p50_high], "p99": p99}


def _percentiles(taken: Nanoseconds) -> list[float]:
    """Return the nearest-rank percentiles 0 to 100, in whole numbers: 0.07 * 100 is more than 7."""
    ordered = np.sort(taken)
    ranks = [max(-(-percent * len(ordered) // 100), 1) for percent in range(101)]
    return [round(float(ordered[rank - 1]) / 1e6, 3) for rank in ranks]


def _table(methods: Sequence[Method], result: BatchResult) -> str:
    """Lay out the guide's table, one row a method, Feast first and direct reads last as there."""
    rows = []
    for method in sorted(methods, key=lambda method: not method.name.startswith("feast")):
        if method.name in result.summaries:
            summary = result.summaries[method.name]
            times = (summary.mean_ms, summary.p50_ms, summary.p95_ms, summary.p99_ms)
            rows.append((f"**{method.title}**", *(f"{time:.2f}ms" for time in times), method.remark))
    return markdown_table(COLUMNS, rows)


def _ratio_lines(comparison: Comparison, result: BatchResult) -> Iterator[str]:
    """Say how many times as long as the baseline each method takes; and how far to trust its P99."""
    titles = {method.name: method.title for method in comparison.methods}
    for name, ratio in result.ratios.items():
        yield (
            f"{titles[name]} takes {ratio.p50:.2f} times as long as {comparison.methods[0].title} at P50"
            f" (95 % interval {ratio.p50_low:.2f} to {ratio.p50_high:.2f}), {ratio.p99:.2f} times at P99."
        )
    for method in comparison.methods:
        if method.name not in result.summaries:
            yield f"{method.title} is not measured here: of so few it reads as {comparison.methods[0].title}."
    requests = result.summaries[comparison.methods[0].name].requests
    slowest = requests - math.ceil(requests * 0.99) + 1
    if slowest <= WEAK_P99:
        which = "is the slowest" if slowest == 1 else f"rests on the {slowest} slowest"
        yield f"The P99 of {requests} reads {which} of them."


def _promise_lines(comparison: Comparison) -> Iterator[str]:
    """Hold the guide's promises about single reads to the measurement."""
    single = next((result for result in comparison.results if result.batch_size == 1), None)
    if single is None:
        yield "The guide's promises are about single reads, which were not measured: add 1 to --batch-sizes."
        return
    yield "The guide's promises, single reads:"
    baseline = comparison.methods[0]
    for method in comparison.methods:
        if method.name in GUIDES_CALL:
            ratio = single.ratios[method.name].mean
            yield (
                f"{_verdict(ratio <= GUIDE_RATIO)}: {method.title} at most {GUIDE_RATIO} times"
                f" {baseline.title} on average ({GUIDE_FEAST_MS} ms against {GUIDE_DIRECT_MS} ms);"
                f" measured {_told_apart(ratio, GUIDE_RATIO)} times"
            )
    for method in comparison.methods:
        if method.name in single.summaries:
            p99_ms = single.summaries[method.name].p99_ms
            yield (
                f"{_verdict(p99_ms < GUIDE_P99_MS)}: {method.title} <{GUIDE_P99_MS:.0f}ms P99;"
                f" measured {_told_apart(p99_ms, GUIDE_P99_MS)} ms"
            )


def _verdict(met: bool) -> str:
    return "✓ Met" if met else "✗ Missed"


def _told_apart(measured: float, promised: float) -> str:
    """Write a number with as many digits as tell it from the promise."""
    rounded = f"{measured:.2f}"
    return f"{measured:.5f}" if float(rounded) == promised != measured else rounded


def _setting(comparison: Comparison) -> str:
    machine, versions, baseline = comparison.machine, comparison.versions, comparison.methods[0].title
    lines = [
        f"Measured on {machine.cpu}, {machine.cores} cores, Cassandra {versions.cassandra},"
        f" feast {versions.feast}, cassandra-driver {versions.cassandra_driver}, Python {versions.python};",
        f"all ways in turns on the same transactions, at {comparison.consistency}, after a warm-up,"
        f" seed {comparison.request.seed}.",
        f"{baseline}: {BASELINE_READ}.",
    ]
    if comparison.unknown:
        lines.append(
            f"{comparison.unknown:,} transactions of the Parquet are in neither store and were left out."
        )
    return "\n".join(lines)
