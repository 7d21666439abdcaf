"""What was measured as tables, for the terminal and for the pages: a comparison's report, all documents."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from poc.measurement.comparison import BASELINE, GUIDES_CALL, KNOWN
from poc.output import markdown_table

Document = Mapping[str, Any]
# The guide's "Expected Results" and "Key Metrics", all of them about single reads.
GUIDE_FEAST_MS, GUIDE_DIRECT_MS, GUIDE_P99_MS = 2.8, 2.5, 5.0
GUIDE_RATIO = round(GUIDE_FEAST_MS / GUIDE_DIRECT_MS, 2)
# A P99 that rests on this few reads is said to.
WEAK_P99 = 5
VERDICTS = {True: "✓ Met", False: "✗ Missed"}


def transactions(count: int) -> str:
    """Return the number in words."""
    return "1 transaction" if count == 1 else f"{count:,} transactions"


def report(document: Document) -> str:
    """Write a comparison as the guide's table with true numbers, its ratios, and its promises, kept or not.

    As Markdown. `document` is not rounded: whether a promise is kept can turn on that.
    """
    meta, titles = document["meta"], titles_of(document)
    setting = [
        "Measured on {cpu}, {cores} cores, Cassandra {cassandra}, feast {feast}, cassandra-driver"
        " {cassandra_driver}, Python {python};".format_map(meta["machine"] | meta["versions"]),
        "all ways in turns on the same transactions, at {consistency}, after a warm-up,"
        " seed {seed}.".format_map(meta),
        f"{titles[BASELINE]}: {meta['baseline']}.",
    ]
    if meta["unknown"]:
        unknown = f"{meta['unknown']:,} transactions of the Parquet are in neither store"
        setting.append(f"{unknown} and were left out.")
    parts = ["\n".join(setting)]
    for size in sizes_of(document):
        results, ratios = of_size(document["results"], size), of_size(document["ratios"], size)
        requests = results[BASELINE]["requests"]
        parts.append(f"### {transactions(size)} a read, {requests:,} reads each way")
        parts.append(_guides_table(titles, results))
        parts.append("\n".join(_ratio_lines(titles, ratios, requests)))
    parts.append("\n".join(_promise_lines(document, titles)))
    return "\n\n".join(parts)


def titles_of(document: Document) -> dict[str, str]:
    """Return the titles of a comparison's methods by their names."""
    return {item["name"]: item["title"] for item in document["methods"]}


def sizes_of(document: Document) -> list[int]:
    """Return the batch sizes of a comparison in their order."""
    return list(dict.fromkeys(item["batch_size"] for item in document["results"]))


def of_size(items: Iterable[Document], size: int) -> dict[str, Document]:
    """Return what a comparison has of a batch size, by the method's name."""
    return {item["method"]: item for item in items if item["batch_size"] == size}


def _guides_table(titles: Mapping[str, str], results: Mapping[str, Document]) -> str:
    """Lay out the guide's table, one row a method, Feast first and direct reads last as there."""
    names = sorted(results, key=lambda name: not name.startswith("feast"))
    return _table(
        [{**results[name], "title": titles[name], "remark": KNOWN[name][1]} for name in names],
        "Method | Avg Latency | P50 | P95 | P99 | Features",
        "**{title}** | {mean_ms:.2f}ms | {p50_ms:.2f}ms | {p95_ms:.2f}ms | {p99_ms:.2f}ms | {remark}",
    )


def _ratio_lines(titles: Mapping[str, str], ratios: Mapping[str, Document], requests: int) -> Iterator[str]:
    """Say how many times as long as the baseline each method takes; and how far to trust its P99."""
    for name, ratio in ratios.items():
        low, high = ratio["p50_ci95"]
        yield (
            f"{titles[name]} takes {ratio['p50']:.2f} times as long as {titles[BASELINE]} at P50"
            f" (95 % interval {low:.2f} to {high:.2f}), {ratio['p99']:.2f} times at P99."
        )
    for name in titles:
        if name not in (BASELINE, *ratios):
            does = f"with so few keys it does what {titles[BASELINE]} does"
            yield f"{titles[name]} is not measured here: {does}."
    slowest = requests - math.ceil(requests * 0.99) + 1
    if slowest <= WEAK_P99:
        which = "is the slowest" if slowest == 1 else f"rests on the {slowest} slowest"
        yield f"The P99 of {requests} reads {which} of them."


def _promise_lines(document: Document, titles: Mapping[str, str]) -> Iterator[str]:
    """Compare the guide's promises about single reads with the measurement."""
    results, ratios = of_size(document["results"], 1), of_size(document["ratios"], 1)
    if not results:
        yield "The guide's promises are about single reads, which were not measured: add 1 to --batch-sizes."
        return
    yield "The guide's promises, single reads:"
    for name in [name for name in titles if name in GUIDES_CALL]:
        ratio = ratios[name]["mean"]
        yield (
            f"{VERDICTS[ratio <= GUIDE_RATIO]}: {titles[name]} at most {GUIDE_RATIO} times"
            f" {titles[BASELINE]} on average ({GUIDE_FEAST_MS} ms against {GUIDE_DIRECT_MS} ms);"
            f" measured {_told_apart(ratio, GUIDE_RATIO)} times"
        )
    for name in [name for name in titles if name in (BASELINE, *GUIDES_CALL)]:
        p99_ms = results[name]["p99_ms"]
        yield (
            f"{VERDICTS[p99_ms < GUIDE_P99_MS]}: {titles[name]} <{GUIDE_P99_MS:.0f}ms P99;"
            f" measured {_told_apart(p99_ms, GUIDE_P99_MS)} ms"
        )


def _told_apart(measured: float, promised: float) -> str:
    """Write a number with as many digits as tell it from the promise."""
    rounded = f"{measured:.2f}"
    return f"{measured:.5f}" if float(rounded) == promised != measured else rounded


def setting_line(document: Document) -> str:
    """Return the line that tells on what it was measured, and when."""
    meta, machine = document["meta"], document["meta"]["machine"]
    versions = ", ".join(
        f"{name.replace('_', '-')} {value}" for name, value in meta["versions"].items() if value is not None
    )
    return (
        f"Measured {meta['time'][:10]} on {machine['cpu']}, {machine['cores']} cores,"
        f" {machine['memory_gib']} GiB, {machine['system']}; {versions}."
    )


def read_tables(document: Document) -> str:
    """Lay out the ratios of all ways to read, then their latencies at each batch size."""
    titles, sizes = titles_of(document), sizes_of(document)
    ratios = {(item["method"], item["batch_size"]): item for item in document["ratios"]}
    rows = []
    for name, title in titles.items():
        found = [ratios.get((name, size)) for size in (*sizes, 1)]
        # The baseline has none; of another way, those at sizes at which it is not measured are not there.
        missing = "" if any(found) else "1"
        cells = [missing if item is None else _between(item["p50"], item["p50_ci95"]) for item in found]
        cells[-1] = missing if found[-1] is None else f"{found[-1]['p99']:.2f}"
        rows.append((f"`{name}`", title, *cells))
    columns = ("method", "in words", *(f"P50, n={size}" for size in sizes), "P99, n=1")
    parts = [markdown_table(columns, rows, aligned=True)]
    times = "{title} | {requests:,} | {mean_ms:.2f} | {p50_ms:.2f} | {p95_ms:.2f} | {p99_ms:.2f}"
    for size in sizes:
        results = of_size(document["results"], size)
        measured = ({**item, "title": titles[name]} for name, item in results.items())
        parts.append(f"Milliseconds, {transactions(size)} a read:")
        parts.append(_table(measured, "method | reads | mean | P50 | P95 | P99", times))
    return "\n\n".join(parts)


def materialization_table(document: Document) -> str:
    """Lay out each way's speed and memory at each size, and what was left out."""
    times = [item["times_as_fast_as_stock"] for item in document["results"]]
    faster = [{"faster": "" if value is None else f"{value:.1f}"} for value in times]
    lines = []
    for item in document["left_out"]:
        lines.append("- `{method}` with {driver}, {rows:,} rows: left out".format_map(item))
        if item["would_take_minutes"] is not None:
            minutes = f"{item['would_take_minutes']:.0f} minutes"
            lines[-1] += f"; at the speed of its largest size it would take {minutes}"
    table = _table(
        map(dict.__or__, document["results"], faster),
        "rows | method | driver | times as fast as stock | seconds | rows/s | peak MiB | before, MiB",
        "{rows:,} | `{method}` | {driver} | {faster} | {median_seconds:.2f} | {rows_per_second:,}"
        " | {peak_mib:,} | {before_mib:,}",
    )
    return _with_list(table, lines)


def serving_table(document: Document) -> str:
    """Lay out each server's throughput and latencies, by number of workers."""
    ratios = {
        (item["server"], item["workers"]): _between(item["throughput"], sorted(item["rounds"]))
        for item in document["ratios"]
    }
    found = ({"ratio": ratios.get((item["server"], item["workers"]), "1")} for item in document["results"])
    return _table(
        map(dict.__or__, document["results"], found),
        "workers | server | throughput | predictions/s | P50 ms | P95 ms | P99 ms | errors",
        "{workers} | `{server}` | {ratio} | {requests_per_second:,.0f} | {p50_ms:.1f} | {p95_ms:.1f}"
        " | {p99_ms:.1f} | {errors}",
    )


def rates_table(document: Document) -> str:
    """Lay out the highest rate of each server, by number of workers, and what it did with more."""
    held = [item for item in document["results"] if item["rate"] is not None]
    none = [item for item in document["results"] if item["rate"] is None]
    lines = ["- `{server}`, workers {workers}: at no rate in time".format_map(item) for item in none]
    table = _table(
        held,
        "workers | server | requests/s in time | P99 ms | rate past it | answered | 503 + Retry-After"
        " | P99 ms of all | errors | well again after s",
        "{workers} | `{server}` | {rate:,} | {p99_ms:.1f} | {past_rate:,} | {past_answered_per_second:,}"
        " | {past_shed_per_second:,} | {past_p99_ms:,.0f} | {past_other_errors} | {well_again_seconds}",
    )
    return _with_list(table, lines)


def scoring_table(document: Document) -> str:
    """Lay out the time to score one row, and how often the decision differs from scikit-learn's."""
    ratios = [item["ratio"] for item in document["results"]]
    parts = [{"part": "1" if ratio is None else f"1/{1 / ratio:.0f}"} for ratio in ratios]
    return _table(
        map(dict.__or__, document["results"], parts),
        "way | ratio | P50 ms | P99 ms | decisions flipped | largest difference",
        "{title} | {part} | {p50_ms:.3f} | {p99_ms:.3f} | {flips} of {rows:,} | {largest_difference:.1e}",
    )


def registry_table(document: Document) -> str:
    """Lay out the time of one read by the number of views in the registry, and its ratio to one view."""
    rows: dict[str, list[str]] = {}
    for item in document["results"]:
        cells = rows.setdefault(item["title"], [item["title"]])
        cells.append(f"{item['p50_ms']:.2f}")
        if item["ratio"] is not None:
            cells.append(_between(item["ratio"], item["ratio_ci95"]))
    columns = ["read"]
    for count in dict.fromkeys(item["views"] for item in document["results"]):
        columns += [f"{count} {'view' if count == 1 else 'views'}, P50 ms", "ratio"]
    del columns[2]  # The first number is what the others are compared with.
    return markdown_table(columns, rows.values(), aligned=True)


def storage_table(document: Document) -> str:
    """Lay out the bytes that an entity takes on one node's disk, in each layout, by kind of file."""
    results = document["results"]
    # Data first, then whatever else takes a byte an entity or more.
    kinds = {kind for item in results for kind, size in item["bytes"].items() if size >= item["rows"]}
    shown = sorted(kinds, key=lambda kind: (kind != "Data.db", kind))
    rows = [
        (
            f"`{item['layout']}`",
            f"{item['bytes_per_entity']:.0f}",
            *(f"{item['bytes'].get(kind, 0) / item['rows']:.1f}" for kind in shown),
            f"{item['bytes_per_entity'] * 1e6 / 2**20:,.0f}",
        )
        for item in results
    ]
    columns = ("layout", "bytes an entity", *(f"of it `{kind}`" for kind in shown), "MiB a million entities")
    return markdown_table(columns, rows, aligned=True)


def _with_list(table: str, lines: Sequence[str]) -> str:
    """Put a list of `lines`, if there are any, below `table`."""
    return "\n\n".join(filter(None, (table, "\n".join(f"{line}." for line in lines))))


def _table(items: Iterable[Document], columns: str, cells: str) -> str:
    """Lay out a row an item; `cells` are the formats of what stands below `columns`."""
    rows = [[cell.format_map(item) for cell in cells.split(" | ")] for item in items]
    return markdown_table(columns.split(" | "), rows, aligned=True)


def _between(value: float, interval: Sequence[float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[-1]:.2f})"
