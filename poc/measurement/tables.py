"""The benchmarks' documents as tables, for the terminal and for the pages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from poc.measurement.comparison_report import transactions
from poc.output import markdown_table

Document = Mapping[str, Any]


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
    titles = {item["name"]: item["title"] for item in document["methods"]}
    sizes = list(dict.fromkeys(item["batch_size"] for item in document["results"]))
    ratios = {(item["method"], item["batch_size"]): item for item in document["ratios"]}
    rows = []
    for name, title in titles.items():
        # The baseline has none; of another way, those at sizes at which it is not measured are not there.
        missing = "" if any(method == name for method, _ in ratios) else "1"
        found = [ratios.get((name, size)) for size in (*sizes, 1)]
        cells = [missing if item is None else _between(item["p50"], item["p50_ci95"]) for item in found]
        cells[-1] = missing if found[-1] is None else f"{found[-1]['p99']:.2f}"
        rows.append((f"`{name}`", title, *cells))
    columns = ("method", "in words", *(f"P50, n={size}" for size in sizes), "P99, n=1")
    parts = [markdown_table(columns, rows, aligned=True)]
    times = {name: f"{{{name.lower()}_ms:.2f}}" for name in ("mean", "P50", "P95", "P99")}
    for size in sizes:
        measured = (
            item | {"title": titles[item["method"]]}
            for item in document["results"]
            if item["batch_size"] == size
        )
        parts.append(f"Milliseconds, {transactions(size)} a read:")
        parts.append(_table(measured, {"method": "{title}", "reads": "{requests:,}", **times}))
    return "\n\n".join(parts)


def materialization_table(document: Document) -> str:
    """Lay out each way's speed and memory at each size, and what was left out."""
    columns = {
        "rows": "{rows:,}",
        "method": "`{method}`",
        "driver": "{driver}",
        "times as fast as stock": "{faster}",
        "seconds": "{median_seconds:.2f}",
        "rows/s": "{rows_per_second:,}",
        "peak MiB": "{peak_mib:,}",
        "before, MiB": "{before_mib:,}",
    }
    times = [item["times_as_fast_as_stock"] for item in document["results"]]
    faster = [{"faster": "" if value is None else f"{value:.1f}"} for value in times]
    lines = []
    for item in document["left_out"]:
        lines.append("- `{method}` with {driver}, {rows:,} rows: left out".format_map(item))
        if item["would_take_minutes"] is not None:
            minutes = f"{item['would_take_minutes']:.0f} minutes"
            lines[-1] += f"; at the speed of its largest size it would take {minutes}"
    return _with_list(_table(map(dict.__or__, document["results"], faster), columns), lines)


def serving_table(document: Document) -> str:
    """Lay out each server's throughput and latencies, by number of workers."""
    ratios = {
        (item["server"], item["workers"]): _between(
            item["throughput"], (min(item["rounds"]), max(item["rounds"]))
        )
        for item in document["ratios"]
    }
    columns = {
        "workers": "{workers}",
        "server": "`{server}`",
        "throughput": "{ratio}",
        "predictions/s": "{requests_per_second:,.0f}",
        "P50 ms": "{p50_ms:.1f}",
        "P95 ms": "{p95_ms:.1f}",
        "P99 ms": "{p99_ms:.1f}",
        "errors": "{errors}",
    }
    found = ({"ratio": ratios.get((item["server"], item["workers"]), "1")} for item in document["results"])
    return _table(map(dict.__or__, document["results"], found), columns)


def rates_table(document: Document) -> str:
    """Lay out the highest rate of each server, by number of workers, and what it did with more."""
    columns = {
        "workers": "{workers}",
        "server": "`{server}`",
        "requests/s in time": "{rate:,}",
        "P99 ms": "{p99_ms:.1f}",
        "rate past it": "{past_rate:,}",
        "answered": "{past_answered_per_second:,}",
        "503 + Retry-After": "{past_shed_per_second:,}",
        "P99 ms of all": "{past_p99_ms:,.0f}",
        "errors": "{past_other_errors}",
        "well again after s": "{well_again_seconds}",
    }
    held = [item for item in document["results"] if item["rate"] is not None]
    none = [item for item in document["results"] if item["rate"] is None]
    lines = ["- `{server}`, workers {workers}: at no rate in time".format_map(item) for item in none]
    return _with_list(_table(held, columns), lines)


def scoring_table(document: Document) -> str:
    """Lay out the time to score one row, and how often the decision differs from scikit-learn's."""
    columns = {
        "way": "{title}",
        "ratio": "{part}",
        "P50 ms": "{p50_ms:.3f}",
        "P99 ms": "{p99_ms:.3f}",
        "decisions flipped": "{flips} of {rows:,}",
        "largest difference": "{largest_difference:.1e}",
    }
    ratios = [item["ratio"] for item in document["results"]]
    parts = [{"part": "1" if ratio is None else f"1/{1 / ratio:.0f}"} for ratio in ratios]
    return _table(map(dict.__or__, document["results"], parts), columns)


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


def _table(items: Iterable[Document], columns: Mapping[str, str]) -> str:
    """Lay out a row an item; `columns` are the formats of its cells, by their headings."""
    rows = [[cell.format_map(item) for cell in columns.values()] for item in items]
    return markdown_table(tuple(columns), rows, aligned=True)


def _between(value: float, interval: Sequence[float]) -> str:
    return f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
