"""A comparison as a person reads it: the guide's table with true numbers, ratios, promises kept or not."""

import math
from collections.abc import Iterator, Sequence

from poc.comparison.comparison import BatchResult, Comparison
from poc.comparison.markdown import markdown_table
from poc.comparison.methods import BASELINE_READ, GUIDES_CALL, Method
from poc.comparison.statistics import Summary

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
        parts += [
            _heading(result),
            table(comparison.methods, result),
            "\n".join(ratio_lines(comparison, result)),
        ]
    parts.append("\n".join(promise_lines(comparison)))
    return "\n\n".join(parts)


def table(methods: Sequence[Method], result: BatchResult) -> str:
    """Lay out the guide's table, one row a method, Feast first and direct reads last as there."""
    feasts = [method for method in methods if method.name.startswith("feast")]
    rows = [
        _row(method, result.summaries[method.name])
        for method in (*feasts, *(method for method in methods if method not in feasts))
        if method.name in result.summaries
    ]
    return markdown_table(COLUMNS, rows)


def ratio_lines(comparison: Comparison, result: BatchResult) -> Iterator[str]:
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


def promise_lines(comparison: Comparison) -> Iterator[str]:
    """Hold the guide's promises about single reads to the measurement."""
    single = next((result for result in comparison.results if result.batch_size == 1), None)
    if single is None:
        yield "The guide's promises are about single reads, which were not measured: add 1 to --batch-sizes."
        return
    yield "The guide's promises, single reads:"
    baseline = comparison.methods[0]
    for method in comparison.methods:
        if method.name not in GUIDES_CALL:
            continue
        ratio = single.ratios[method.name].mean
        yield _judged(
            ratio <= GUIDE_RATIO,
            f"{method.title} at most {GUIDE_RATIO} times {baseline.title} on average"
            f" ({GUIDE_FEAST_MS} ms against {GUIDE_DIRECT_MS} ms)",
            f"{_told_apart(ratio, GUIDE_RATIO)} times",
        )
    for method in comparison.methods:
        if method.name not in single.summaries:
            continue
        p99_ms = single.summaries[method.name].p99_ms
        yield _judged(
            p99_ms < GUIDE_P99_MS,
            f"{method.title} <{GUIDE_P99_MS:.0f}ms P99",
            f"{_told_apart(p99_ms, GUIDE_P99_MS)} ms",
        )


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


def _heading(result: BatchResult) -> str:
    what = "1 transaction" if result.batch_size == 1 else f"{result.batch_size:,} transactions"
    requests = next(iter(result.summaries.values())).requests
    return f"### {what} a read, {requests:,} reads each way"


def _row(method: Method, summary: Summary) -> tuple[str, ...]:
    times = (summary.mean_ms, summary.p50_ms, summary.p95_ms, summary.p99_ms)
    return (f"**{method.title}**", *(f"{time:.2f}ms" for time in times), method.remark)


def _judged(met: bool, promise: str, measured: str) -> str:
    return f"{'✓ Met' if met else '✗ Missed'}: {promise}; measured {measured}"
