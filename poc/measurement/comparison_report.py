"""A comparison as the guide's table with true numbers, its ratios, and promises kept or not."""

import math
from collections.abc import Iterator

from poc.measurement.comparison import BatchResult, Comparison
from poc.measurement.methods import BASELINE_READ, GUIDES_CALL
from poc.output import markdown_table

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
        parts.append(_table(comparison, result))
        parts.append("\n".join(_ratio_lines(comparison, result)))
    parts.append("\n".join(_promise_lines(comparison)))
    return "\n\n".join(parts)


def transactions(count: int) -> str:
    """Return the number in words."""
    return "1 transaction" if count == 1 else f"{count:,} transactions"


def _table(comparison: Comparison, result: BatchResult) -> str:
    """Lay out the guide's table, one row a method, Feast first and direct reads last as there."""
    rows = []
    for method in sorted(comparison.methods, key=lambda method: not method.name.startswith("feast")):
        if method.name in result.summaries:
            summary = result.summaries[method.name]
            times = (summary.mean_ms, summary.p50_ms, summary.p95_ms, summary.p99_ms)
            rows.append((f"**{method.title}**", *(f"{time:.2f}ms" for time in times), method.remark))
    return markdown_table(COLUMNS, rows, aligned=True)


def _ratio_lines(comparison: Comparison, result: BatchResult) -> Iterator[str]:
    """Say how many times as long as the baseline each method takes; and how far to trust its P99."""
    baseline = comparison.methods[0]
    titles = {method.name: method.title for method in comparison.methods}
    for name, ratio in result.ratios.items():
        yield (
            f"{titles[name]} takes {ratio.p50:.2f} times as long as {baseline.title} at P50"
            f" (95 % interval {ratio.p50_low:.2f} to {ratio.p50_high:.2f}), {ratio.p99:.2f} times at P99."
        )
    for name in titles:
        if name not in result.summaries:
            yield f"{titles[name]} is not measured here: of so few it reads as {baseline.title}."
    requests = result.summaries[baseline.name].requests
    slowest = requests - math.ceil(requests * 0.99) + 1
    if slowest <= WEAK_P99:
        which = "is the slowest" if slowest == 1 else f"rests on the {slowest} slowest"
        yield f"The P99 of {requests} reads {which} of them."


def _promise_lines(comparison: Comparison) -> Iterator[str]:
    """Compare the guide's promises about single reads with the measurement."""
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
    machine, versions = comparison.meta["machine"], comparison.meta["versions"]
    baseline = comparison.methods[0]
    lines = [
        f"Measured on {machine['cpu']}, {machine['cores']} cores, Cassandra {versions['cassandra']},"
        f" feast {versions['feast']}, cassandra-driver {versions['cassandra_driver']},"
        f" Python {versions['python']};",
        f"all ways in turns on the same transactions, at {baseline.consistency}, after a warm-up,"
        f" seed {comparison.request.seed}.",
        f"{baseline.title}: {BASELINE_READ}.",
    ]
    if comparison.unknown:
        lines.append(
            f"{comparison.unknown:,} transactions of the Parquet are in neither store and were left out."
        )
    return "\n".join(lines)
